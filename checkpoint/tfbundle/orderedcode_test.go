package tfbundle

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestOrderedSigned has the examples of core/lib/strings/ordered_code_test.cc and of the format page.
func TestOrderedSigned(t *testing.T) {
	for v, want := range map[int64]string{
		0: "80", 1: "81", -1: "7f", 63: "bf", 64: "c040", -64: "40", -65: "3fbf", 8191: "dfff", 8192: "e02000", -8192: "2000",
		-8193:   "1fdfff",
		1 << 31: "f880000000", math.MaxInt64: "ffc07fffffffffffffff", math.MinInt64: "003f8000000000000000",
	} {
		if got := hex.EncodeToString(appendOrderedSigned(nil, v)); got != want {
			t.Errorf("%d: %s, want %s", v, got, want)
		}
	}
}

// TestOrderedSignedSorts checks what the code is for: bytes compare as the numbers do.
func TestOrderedSignedSorts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	numbers := []int64{math.MinInt64, math.MaxInt64, 0}
	for range 2000 {
		numbers = append(numbers, int64(rng.Uint64())>>rng.IntN(64))
	}
	slices.Sort(numbers)
	for i := 1; i < len(numbers); i++ {
		a, b := appendOrderedSigned(nil, numbers[i-1]), appendOrderedSigned(nil, numbers[i])
		if want := numbers[i-1] != numbers[i]; (bytes.Compare(a, b) < 0) != want {
			t.Errorf("%d is %x, %d is %x", numbers[i-1], a, numbers[i], b)
		}
	}
}

func TestSliceKey(t *testing.T) {
	key := appendSliceKey(nil, "a\x00b\xffc", []extent{{0, -1}, {64, 1}})
	if want := "00" + "6100ff62ff0063" + "0001" + "0102" + "807f" + "c04081"; hex.EncodeToString(key) != want {
		t.Errorf("key %x, want %s", key, want)
	}
	if got := nameOf(string(key)); got != "a\x00b\xffc" {
		t.Errorf("the name in it is %q", got)
	}
	if key := appendSliceKey(nil, "s", nil); hex.EncodeToString(key) != "00"+"73"+"0001"+"00" {
		t.Errorf("key of a scalar %x", key)
	}
	for n := range key { // malformed keys are no reason to panic
		nameOf(string(key[:n]))
	}
}
