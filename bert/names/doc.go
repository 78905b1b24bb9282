// Package names maps between the names and shapes under which BERT's variables are stored:
//
//	Google       google-research/bert, tf.train.Saver:       bert/encoder/layer_0/attention/self/query/kernel, [in, out]
//	TF2          tensorflow/models, tf.train.Checkpoint:     encoder/layer_with_weights-4/_attention_layer/_query_dense/kernel
//	                                                         and /.ATTRIBUTES/VARIABLE_VALUE, [hidden, heads, size]
//	HuggingFace  transformers, model.safetensors:            bert.encoder.layer.0.attention.self.query.weight, [out, in]
//
// Google's names are the ones that the rest of the program knows. table.go is the table of the three, resolve.go finds Google's
// names in a list of stored ones, foreign.go knows BERT's relatives by theirs. Pure functions: no files, no tensors.
//
// Sources: google-research/bert modeling.py; transformers convert_bert_original_tf_checkpoint_to_pytorch.py;
// tensorflow/models official/nlp/tools/tf1_bert_checkpoint_converter_lib.py and tf2_bert_encoder_checkpoint_converter.py.
package names
