// Package checkpoint holds what the checkpoint formats share: the directory of tensors, the errors, the limits.
// The formats themselves are the sub-packages tfbundle and safetensors; a format knows no model.
package checkpoint
