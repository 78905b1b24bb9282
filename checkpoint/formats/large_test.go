package formats_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"bertlabel/checkpoint"
	"bertlabel/checkpoint/formats"
	"bertlabel/checkpoint/safetensors"
	"bertlabel/checkpoint/tfbundle"
)

// piece is how many bytes the readers take at a time.
const piece = 256 << 10

// largeTensors are longer than a piece, or nearly so, or a little more; of types that are converted and of one that is not.
func largeTensors() (tensors []checkpoint.Tensor) {
	types := []checkpoint.DType{
		checkpoint.Float32, checkpoint.Float64, checkpoint.Float16, checkpoint.BFloat16, checkpoint.Int32, checkpoint.Int64,
	}
	for i, size := range []int{piece - 8, piece, piece + 8, 3*piece + 16} {
		for _, dtype := range types {
			raw := make([]byte, size)
			n := size / dtype.Size()
			for k := range n {
				put(raw[k*dtype.Size():], dtype, k)
			}
			tensors = append(tensors, checkpoint.Tensor{Name: fmt.Sprintf("%v/%d", dtype, i), DType: dtype, Shape: []int{n}, Bytes: raw})
		}
	}
	return tensors
}

// valueOf is what element k of each tensor holds: whole numbers that every type has, and that no place shares with the next ones.
func valueOf(k int) float64 { return float64(k % 251) }

func put(raw []byte, dtype checkpoint.DType, k int) {
	le, v := binary.LittleEndian, valueOf(k)
	switch dtype {
	case checkpoint.Float32:
		le.PutUint32(raw, math.Float32bits(float32(v)))
	case checkpoint.Float64:
		le.PutUint64(raw, math.Float64bits(v))
	case checkpoint.BFloat16:
		le.PutUint16(raw, uint16(math.Float32bits(float32(v))>>16)) // exact below 256
	case checkpoint.Float16:
		fraction, exponent := math.Frexp(v)
		if v > 0 {
			le.PutUint16(raw, uint16(exponent+14)<<10|uint16((2*fraction-1)*1024))
		}
	case checkpoint.Int32:
		le.PutUint32(raw, uint32(v))
	case checkpoint.Int64:
		le.PutUint64(raw, uint64(v))
	}
}

// written writes tensors in a format and returns the path to open, and the file that has their bytes.
func written(t *testing.T, format string, tensors []checkpoint.Tensor) (path, data string) {
	t.Helper()
	dir := t.TempDir()
	create := func(name string) (io.WriteCloser, error) { return os.Create(filepath.Join(dir, name)) }
	err := error(nil)
	switch path = filepath.Join(dir, "m"); format {
	case "tf_v2":
		data, err = path+".data-00000-of-00001", tfbundle.Write(create, "m", tensors)
	default:
		path += ".safetensors"
		data, err = path, safetensors.Write(create, "m.safetensors", tensors, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path, data
}

// readers are all the ways to read a tensor of n elements, in float64 or as bytes.
func readers(src checkpoint.Source, info checkpoint.Info) map[string]func() ([]float64, []byte, error) {
	all := map[string]func() ([]float64, []byte, error){
		"ReadRaw": func() ([]float64, []byte, error) { raw, err := src.ReadRaw(info.Name); return nil, raw, err },
		"Stream": func() (_ []float64, raw []byte, err error) {
			err = src.Stream(info.Name, func(p []byte) error {
				if raw = append(raw, p...); len(p) > piece || len(p)%info.DType.Size() != 0 {
					return fmt.Errorf("a piece of %d bytes", len(p))
				}
				return nil
			})
			return nil, raw, err
		},
	}
	if info.DType == checkpoint.Int32 || info.DType == checkpoint.Int64 {
		all["ReadInt64"] = func() (x []float64, _ []byte, err error) {
			values, err := src.ReadInt64(info.Name)
			for _, v := range values {
				x = append(x, float64(v))
			}
			return x, nil, err
		}
		return all
	}
	all["ReadFloat32"] = func() (x []float64, _ []byte, err error) {
		values := make([]float32, info.Elements())
		err = src.ReadFloat32(info.Name, values)
		for _, v := range values {
			x = append(x, float64(v))
		}
		return x, nil, err
	}
	return all
}

// TestLarge reads tensors of several pieces in all ways.
func TestLarge(t *testing.T) {
	tensors := largeTensors()
	for _, format := range []string{"tf_v2", "safetensors"} {
		path, _ := written(t, format, tensors)
		src, err := formats.Open(path, checkpoint.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range tensors {
			info, ok := src.Lookup(want.Name)
			if !ok {
				t.Fatalf("%s: no %s", format, want.Name)
			}
			for name, read := range readers(src, info) {
				x, raw, err := read()
				if err != nil || raw != nil && !bytes.Equal(raw, want.Bytes) {
					t.Errorf("%s: %s of %s: other bytes, %v", format, name, want.Name, err)
				}
				if raw == nil && len(x) != want.Shape[0] {
					t.Errorf("%s: %s of %s: %d elements, want %d", format, name, want.Name, len(x), want.Shape[0])
				}
				for k, v := range x {
					if v != valueOf(k) {
						t.Errorf("%s: %s of %s: element %d is %v, want %v", format, name, want.Name, k, v, valueOf(k))
						break
					}
				}
			}
		}
		src.Close()
	}
}

// TestLargeDamage flips a bit in every stretch of a data file, and cuts it there: no way of reading what TensorFlow has a checksum for
// passes over a flip, in whatever piece it is, and none of either format over a cut.
func TestLargeDamage(t *testing.T) {
	tensors := []checkpoint.Tensor{largeTensors()[18], largeTensors()[19], largeTensors()[23]} // three pieces and a bit each
	for _, format := range []string{"tf_v2", "safetensors"} {
		path, data := written(t, format, tensors)
		good, err := os.ReadFile(data)
		if err != nil {
			t.Fatal(err)
		}
		for at := len(good) - 1; at > 4096; at -= 100_003 {
			if format == "tf_v2" {
				bad := bytes.Clone(good)
				bad[at] ^= 4
				checkDamage(t, path, data, bad, fmt.Sprintf("byte %d flipped", at), checkpoint.DataChecksum, tensors, at)
			}
			checkDamage(t, path, data, good[:at], fmt.Sprintf("%s cut to %d bytes", format, at), "", tensors, at)
		}
	}
}

// checkDamage reads all tensors of a damaged file: it is not opened, or exactly the tensor that has the byte is refused in all ways.
func checkDamage(t *testing.T, path, data string, bad []byte, what string, class checkpoint.Class, tensors []checkpoint.Tensor, at int) {
	t.Helper()
	if err := os.WriteFile(data, bad, 0o666); err != nil {
		t.Fatal(err)
	}
	src, err := formats.Open(path, checkpoint.Limits{})
	if class == "" {
		if err == nil {
			t.Errorf("%s: opened", what)
			src.Close()
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	refused := 0
	for _, tensor := range tensors {
		info, _ := src.Lookup(tensor.Name)
		hit := info.Offset <= int64(at) && int64(at) < info.Offset+info.Bytes
		for name, read := range readers(src, info) {
			_, _, err := read()
			var e *checkpoint.FormatError
			if hit && (!errors.As(err, &e) || e.Class != class || e.Tensor != tensor.Name) || !hit && err != nil {
				t.Errorf("%s: %s of %s: %v", what, name, tensor.Name, err)
			}
			if hit {
				refused++
			}
		}
	}
	if refused != 3 {
		t.Errorf("%s: %d ways of reading were tried on the damaged tensor, want 3", what, refused)
	}
}
