// Command playhub plays both hosts of `bertlabel pull` on this machine, for tries by hand: go run ./scripts/playhub FOLDER. Each folder
// FOLDER/hf/ORG/NAME is a repository of the hub, each file FOLDER/google/DATE/NAME.zip a release. It prints the environment to use.
package main

import (
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"bertlabel/bert/hub/hubtest"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	token := flag.String("token", "", "that every repository needs")
	flag.Parse()
	hosts, err := load(flag.Arg(0), *token)
	if err == nil {
		err = serve(hosts, *listen)
	}
	fmt.Fprintln(os.Stderr, err)
}

// load reads the folder.
func load(root, token string) (*hubtest.Hosts, error) {
	hosts := &hubtest.Hosts{Repos: map[string]*hubtest.Repo{}, Zips: map[string][]byte{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		parts := strings.SplitN(filepath.ToSlash(name), "/", 4)
		switch {
		case len(parts) == 3 && parts[0] == "google":
			hosts.Zips[parts[1]+"/"+strings.TrimSuffix(parts[2], ".zip")] = data
		case len(parts) == 4 && parts[0] == "hf":
			name := parts[1] + "/" + parts[2]
			if hosts.Repos[name] == nil {
				hosts.Repos[name] = &hubtest.Repo{Commit: hubtest.GitSHA1([]byte(name)), Files: map[string][]byte{}, Token: token}
			}
			hosts.Repos[name].Files[parts[3]] = data
		}
		return nil
	})
	return hosts, err
}

// serve listens twice: the store for large files is another host, as clients tell them apart.
func serve(hosts *hubtest.Hosts, listen string) error {
	hub, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	store, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	hosts.Store = "http://" + store.Addr().String()
	fmt.Printf("export HF_ENDPOINT=http://%s BERTLABEL_GOOGLE_ENDPOINT=http://%[1]s/bert_models\n", hub.Addr())
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.Println(r.Method, r.Host, r.URL, r.Header.Get("Range"))
		hosts.ServeHTTP(w, r)
	})
	ended := make(chan error)
	for _, l := range []net.Listener{hub, store} {
		go func() { ended <- http.Serve(l, handler) }()
	}
	return <-ended
}
