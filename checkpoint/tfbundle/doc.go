// Package tfbundle reads and writes TensorFlow checkpoints: the V2 format ("TensorBundle": P.index and
// P.data-00000-of-00001 …) and, reading only, the older V1 format of one file.
//
// An index is a table in the manner of LevelDB's, from tensor names to small protobuf messages that say where the bytes lie:
//
//	block.go        one block: entries with shared key prefixes, restart points
//	table.go        a table file: footer, index block, data blocks, their checksums and compression
//	proto.go        the messages: header, entry, shape, slice
//	orderedcode.go  keys of the slices of partitioned variables
//	bundle.go       V2: Open, and every check that needs no tensor bytes
//	slices.go       partitioned variables: that the slices tile the tensor, and their assembly
//	strings.go      tensors of strings
//	v1.go           V1: OpenV1
//	objectgraph.go  FullNames: what the keys of object-based checkpoints stand for
//	state.go        the `checkpoint` state file of a folder, Latest
//	buildtable.go   the other direction: entries to a table, byte for byte as TensorFlow's
//	write.go        Write
//
// Read bundle.go first. Sources, by path in tensorflow/tensorflow: tensorflow/core/util/tensor_bundle,
// core/protobuf/tensor_bundle.proto, core/lib/io/{table,block,format}*, core/lib/strings/ordered_code.cc,
// core/util/saved_tensor_slice*.
package tfbundle
