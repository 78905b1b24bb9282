// Package model opens and writes model folders and runs them on texts: the library's front door.
//
//	m, err := model.Open("uncased_L-12_H-768_A-12", nil)            // Google's release, Hugging Face's folder, or one that train wrote
//	features, err := m.Embed(ctx, []model.Text{{A: "a text"}}, bert.Mean)
//	predictions, err := m.Predict(ctx, texts)                        // needs a trained head
//
// # Layouts
//
// Google's layout is bert_config.json, vocab.txt and a TensorFlow checkpoint, under the names of modeling.py or of tensorflow/models.
// Hugging Face's is config.json, model.safetensors (or several files and their index), and vocab.txt or tokenizer.json, with
// tokenizer_config.json. The file name of the config decides which it is, and so what "gelu" means: the tanh form in
// bert_config.json, the exact form in config.json. Where both are there, the one of the checkpoint's kind counts. What else a
// config.json says of the model has to be plain BERT: other architectures, decoders, relative positions and heads on tokens are
// refused by what they are.
//
// Text is read as Google's tokenization.py reads it. Of a Hugging Face folder do_lower_case, strip_accents, tokenize_chinese_chars,
// max_input_chars_per_word (100 there, 200 in Google's) and added tokens are honoured; another normaliser, pre-tokeniser or
// model of tokens is refused. Three differences to the tokenizers library remain: it keeps special tokens that are written in a
// text whole, such as [MASK], where ours are punctuation and letters; it lower-cases a Σ at the end of a word to σ, not ς; and
// it goes by the tables of another Unicode version, and takes private-use characters for control characters.
//
// Save writes Google's layout, SaveHuggingFace the other. Both add bertlabel.json, with what the layout has no place for.
//
// # Files
//
// Read model.go first, then open.go (how a folder is recognised), weights.go (how its variables are matched), engine.go (how
// many texts go through the encoder) and pass.go (how one batch does, for a scheduler). shared.go is for servers: several models over
// one encoder, and the digest of what a model says. Of the other parts of a folder, vocab.go, labels.go and settings.go read what both
// layouts have, huggingface.go and hftokenizer.go what Hugging Face's has; save.go and savehf.go write.
package model
