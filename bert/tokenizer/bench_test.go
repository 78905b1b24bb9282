package tokenizer

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"bertlabel/tensor/tensortest"
)

// prose is English of many kinds of words; benchmarks string its sentences together at random.
const prose = `The harbour was quiet when we arrived, and the last ferry had already left for the islands.
I can't believe you've never tried it: it's honestly the best soup in town, isn't it?
Temperatures between 12 and 15 degrees are expected until Thursday (with showers in the north-west).
She wrote three novels, two of which were translated; the third remains unfinished.
Why would anybody pay $45.99 for a second-hand umbrella?!
Photosynthesis converts carbon dioxide and water into carbohydrates, releasing oxygen as a by-product.
The committee's recommendations were adopted unanimously on 17 March 1987, despite misgivings.
lol that was hilarious, thanks for sharing this with everyone here
Engineers dismantled the scaffolding, re-tested the hydraulics and declared the drawbridge operational.
My grandmother used to say that a watched kettle never boils, but she never owned a microwave.
In retrospect, the misunderstanding could have been avoided by asking one straightforward question.
Unbelievable. Absolutely unbelievable! How did nobody notice the counterfeit signatures?
Subscribers receive quarterly newsletters, discounted admission and a complimentary tote bag.
He tightened the bolts, wiped his hands on his overalls and switched the generator back on.
Antibiotic resistance, microbiologists warn, is accelerating faster than previously hypothesised.
Could you send me the spreadsheet again? The attachment was corrupted, I think.
Gulls wheeled over the breakwater while fishermen mended their nets in companionable silence.
The orchestra's rehearsal of the symphony overran by forty minutes, to the caretaker's dismay.`

// english returns about n bytes of random sentences.
func english(rng *rand.Rand, n int) string {
	sentences := strings.Split(prose, "\n")
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(sentences[rng.IntN(len(sentences))])
		b.WriteByte(' ')
	}
	return b.String()
}

// BenchmarkAppendIDs tokenises about 1 MiB with the vocabulary of BERT-Base, Uncased, on one core.
func BenchmarkAppendIDs(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	tokenizers := open(b, tensortest.Shared(b, "fixtures/tokenizer/vocab-uncased.txt"))
	words := strings.Fields(prose)
	rng.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	text := english(rng, 1<<20)
	for _, c := range []struct {
		name, text string
		lower      bool
	}{
		{"english", text, true},
		{"english/cased", text, false},
		{"curly", strings.ReplaceAll(text, "'", "’"), true},
		{"german", strings.Repeat("Während der Überfahrt fröstelten die Gäste trotz dicker Mäntel. ", 16_000), true},
		{"russian", strings.Repeat("Съешь ещё этих мягких французских булок, да выпей чаю. ", 11_000), true},
		{"chinese", strings.Repeat("我们昨天下午在图书馆里读了一本很有意思的书。", 16_000), true},
		{"korean", strings.Repeat("우리는 어제 오후 도서관에서 책을 읽었습니다. ", 17_000), true},
		{"no space", strings.Repeat("a", 1<<20), true},
		{"words of 200", strings.Repeat(strings.Repeat("internationa", 16)+"lization ", 5_200), true},
		{"marks", strings.Repeat("a"+strings.Repeat("\u0301\u0323", 5_000), 50), true},
		{"marks that stay", strings.Repeat("a"+strings.Repeat("\u302e\u1b44", 5_000), 35), true},
	} {
		b.Run(c.name, func(b *testing.B) {
			tok := tokenizers[c.lower]
			ids := make([]int32, 0, len(c.text))
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				ids = tok.AppendIDs(ids[:0], c.text)
			}
		})
	}
}

// BenchmarkReadVocab reads and indexes the vocabulary of BERT-Base, Uncased.
func BenchmarkReadVocab(b *testing.B) {
	path := tensortest.Shared(b, filepath.Join("fixtures/tokenizer/vocab-uncased.txt"))
	for b.Loop() {
		open(b, path)
	}
}
