package tfbundle

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"

	"bertlabel/checkpoint"
)

// ObjectGraph is the name of the string tensor in which tf.train.Checkpoint and SavedModels say what their keys stand for.
const ObjectGraph = "_CHECKPOINTABLE_OBJECT_GRAPH"

// FullNames returns the full names of the variables of a checkpoint by their keys, as its object graph has them: what the code that made
// the variables called them, where the keys are paths of attributes (core/protobuf/trackable_object_graph.proto: nodes 1 {attributes 2
// {full_name 2, checkpoint_key 3}}). It is empty for a checkpoint without an object graph.
func FullNames(src checkpoint.Source) (map[string]string, error) {
	names := map[string]string{}
	if info, ok := src.Lookup(ObjectGraph); !ok || info.DType != checkpoint.String || info.Elements() != 1 {
		return names, nil
	}
	raw, err := src.ReadRaw(ObjectGraph)
	if err != nil {
		return nil, err
	}
	graph := raw[min(len(raw), binary.Size(uint64(0))):] // after its length
	return names, checkpoint.OfTensor(eachField(graph, func(node field) error {
		if node.number != 1 {
			return nil
		}
		return node.message(func(f field) error {
			if f.number != 2 {
				return nil
			}
			var full, key string
			err := f.message(func(f field) error {
				switch f.number {
				case 2:
					full = string(f.bytes)
				case 3:
					key = string(f.bytes)
				default:
					return nil
				}
				return f.is(protowire.BytesType)
			})
			if full != "" && key != "" {
				names[key] = full
			}
			return err
		})
	}), ObjectGraph)
}
