// Package serve answers HTTP requests for labels, embeddings and tokens: several APIs, each a small file, over one core.
//
// The way of a request: fences.go lets it in (host, key, path), request.go reads it, call.go takes its texts through tokeniser, cache and
// queue (bert/queue, which owns the cores) to features and labels, and the file of its API writes the answer. server.go puts that
// together; models.go holds the models and opens them anew, golden.go tries them before; memory.go says and bounds what all of it holds;
// metrics.go and accesslog.go tell what happens.
//
//	own.go, explain.go  bertlabel's own API: /v1/predict, /v1/embed, /v1/tokenize, /v1/explain
//	stream.go           rows in, rows out
//	compat.go           what the APIs of other servers share
//	tei.go, openai.go   text-embeddings-inference's, with Hugging Face's client; OpenAI's embeddings and moderations
//	tfserving.go        TF Serving's REST API and KServe's first protocol
//	oip.go              the Open Inference Protocol of KServe and Triton
//	health.go, page.go  probes; the page for people
//
// Read server.go first.
package serve
