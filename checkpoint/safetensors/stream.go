package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"

	"bertlabel/checkpoint"
)

// Stream writes a safetensors file one tensor at a time, for tensors that need not be in memory together: NewStream says which will
// come, then each comes by Write, then Close. The tensors lie in the file in their order, not in that of the library, which reads any.
type Stream struct {
	w     io.Writer
	infos []checkpoint.Info // those that are still to come
}

// NewStream writes the header of tensors, of which only Name, DType and Shape are read, to w. The error is that of w, or says that a name
// comes twice or what is wrong with a tensor.
func NewStream(w io.Writer, tensors []checkpoint.Info) (*Stream, error) {
	infos := make([]checkpoint.Info, len(tensors))
	for i, t := range tensors {
		if err := checkpoint.CheckName(t.Name, checkpoint.Defaults()); err != nil {
			return nil, err
		}
		t.Bytes = int64(t.Elements()) * int64(t.DType.Size())
		infos[i] = t
	}
	text, err := headerText(infos, nil)
	if err != nil {
		return nil, err
	}
	if _, err = w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text)))); err == nil {
		_, err = w.Write(text)
	}
	return &Stream{w, infos}, err
}

// Write writes the next tensor. The error is that of w, or says that another one was to come.
func (s *Stream) Write(t checkpoint.Tensor) error {
	if len(s.infos) == 0 {
		return fmt.Errorf("safetensors: tensor %s after the last one", checkpoint.Quote(t.Name))
	}
	next := s.infos[0]
	if t.Name != next.Name || t.DType != next.DType || int64(len(t.Bytes)) != next.Bytes {
		return fmt.Errorf("safetensors: tensor %s, %v of %d bytes, expected %s, %v of %d", checkpoint.Quote(t.Name), t.DType, len(t.Bytes),
			checkpoint.Quote(next.Name), next.DType, next.Bytes)
	}
	s.infos = s.infos[1:]
	_, err := s.w.Write(t.Bytes)
	return err
}

// Close reports tensors that have not come. It does not close what the stream writes to.
func (s *Stream) Close() error {
	if len(s.infos) > 0 {
		return fmt.Errorf("safetensors: %d tensors are missing, the first is %s", len(s.infos), checkpoint.Quote(s.infos[0].Name))
	}
	return nil
}
