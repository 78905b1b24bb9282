package tfbundle

import (
	"bytes"
	"encoding/binary"
)

// appendSliceKey appends the table key of a slice of the variable name: num(0), string(name), num(rank), and for each
// dimension signed(start), signed(length), in ordered code (core/lib/strings/ordered_code.cc, core/util/saved_tensor_slice_util.cc).
// A whole dimension is start 0, length −1.
func appendSliceKey(key []byte, name string, extents []extent) []byte {
	key = appendOrderedNum(key, 0)
	key = appendOrderedString(key, name)
	key = appendOrderedNum(key, len(extents))
	for _, e := range extents {
		key = appendOrderedSigned(key, e.start)
		key = appendOrderedSigned(key, e.length)
	}
	return key
}

// appendOrderedNum appends a number below 256: the count of its bytes, 0 having none, then the byte.
func appendOrderedNum(key []byte, n int) []byte {
	if n == 0 {
		return append(key, 0)
	}
	return append(key, 1, byte(n))
}

// appendOrderedString escapes 00 as 00 ff and ff as ff 00, and ends with 00 01.
func appendOrderedString(key []byte, s string) []byte {
	for i := range len(s) {
		switch key = append(key, s[i]); s[i] {
		case 0x00:
			key = append(key, 0xff)
		case 0xff:
			key = append(key, 0x00)
		}
	}
	return append(key, 0x00, 0x01)
}

// appendOrderedSigned appends v in as few bytes n as hold it, 7n−1 bits and the sign each, so that keys sort as numbers do:
// the sign-extended big-endian number with its top n bits inverted.
func appendOrderedSigned(key []byte, v int64) []byte {
	n := 1
	for n < 10 && (v>>(7*n-1)) != 0 && (v>>(7*n-1)) != -1 {
		n++
	}
	var raw [10]byte // v, sign-extended from 8 bytes to 10
	binary.BigEndian.PutUint64(raw[2:], uint64(v))
	if v < 0 {
		raw[0], raw[1] = 0xff, 0xff
	}
	code := raw[10-n:]
	for bit := range n {
		code[bit/8] ^= 0x80 >> (bit % 8)
	}
	return append(key, code...)
}

// isSliceKey reports whether a key is that of a slice: no tensor name begins with a zero byte.
func isSliceKey(key []byte) bool { return bytes.HasPrefix(key, []byte{0}) }

// nameOf returns the name of the variable whose slice a key is of, and other keys as they are. It is for messages: a
// malformed key gives what can be read of it.
func nameOf(key string) string {
	if key == "" || key[0] != 0 {
		return key
	}
	var name []byte
	for i := 1; i < len(key); i++ {
		if key[i] == 0 && i+1 < len(key) && key[i+1] == 1 {
			break
		}
		if name = append(name, key[i]); key[i] == 0x00 || key[i] == 0xff {
			i++ // its escape
		}
	}
	return string(name)
}
