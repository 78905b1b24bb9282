// Package checkpoint holds what the checkpoint formats share; a format knows no model.
//
//	source.go     Source and Info: what a reader of weights programs against
//	directory.go  Directory: the Source that every format builds, over a Store that knows where the bytes lie
//	span.go       Span: reading a stretch of a file in steps, checksum and byte order included
//	convert.go    stored elements to float32 and int64
//	tensor.go     Tensor: what the writers take
//	error.go      FormatError and the classes of refusals
//	limits.go     how large a number in a file may be before the file is refused
//	file.go       opening regular files only
//
// The formats are the sub-packages tfbundle (TensorFlow) and safetensors (Hugging Face); formats.Open recognises which one
// it has before it, and package inspect describes what is in it. Package archive reads hostile zip
// files; package atomic puts files and folders in place so that a crash never leaves half of one.
//
// Checkpoints are untrusted input. A reader validates the whole directory against the real length of the files before it
// allocates what the directory asks for, and answers what is wrong with a *FormatError that names file, tensor, found and
// expected. Nothing in a file can make it panic, run for ever, or take much more memory than the file is long: the directory
// costs the name and about 300 bytes for each tensor, of which there are at most Limits.Tensors.
package checkpoint
