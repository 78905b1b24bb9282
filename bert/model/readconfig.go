package model

import "bertlabel/bert"

// ReadConfig returns the configuration of the model that Open would open with the same arguments, without a look at its weights:
// what they will take in memory depends on it.
func ReadConfig(path string, o *Options) (bert.Config, error) {
	if o == nil {
		o = &Options{}
	}
	if isZip(path) {
		return readZipConfig(path, o)
	}
	f, err := find(path, o, true)
	if err != nil {
		return bert.Config{}, err
	}
	config, err := readConfig(f.config, o)
	return config.Config, err
}
