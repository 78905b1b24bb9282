// Package safetensors reads and writes Hugging Face's weights files: a length, a JSON header with name, dtype, shape and
// place of each tensor, then the bytes of all tensors without a gap. It also reads models that are split over several files with
// an index, as transformers saves them.
//
//	json.go    a strict parser for the JSON that headers may hold
//	header.go  the header, and every check that needs no tensor bytes
//	open.go    Open and OpenIndex
//	write.go   Write
//
// The format has no checksums: what was flipped on the disk is not noticed here. Source: huggingface/safetensors,
// safetensors/src/tensor.rs.
package safetensors
