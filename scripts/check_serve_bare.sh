#!/bin/sh
# Runs bertlabel serve where there is nothing but the program and a model: a root that is read-only and holds these two (as FROM scratch), the
# user 65532, at most 64 file descriptors. It asks for labels, opens more connections than there are descriptors, reloads, and ends the server
# by SIGTERM. For root on Linux, in some seconds:
#
#	scripts/check_serve_bare.sh FOLDER
set -eu
model=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
root=$(mktemp -d)
server=
finish() {
	[ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
	[ -z "$server" ] || wait "$server" 2>/dev/null || true
	umount "$root" 2>/dev/null || true
	rm -rf "$root" "$root.log"
}
trap finish EXIT
fail() {
	echo "check_serve_bare: $*" >&2
	cat "$root.log" >&2
	exit 1
}
CGO_ENABLED=0 go build -trimpath -o "$root/bertlabel" ./cmd/bertlabel
mkdir "$root/model"
cp "$model"/* "$root/model"
chmod -R a+rX "$root"
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
port=8$(($$ % 900 + 100))
url=http://127.0.0.1:$port
(
	ulimit -n 64
	exec chroot --userspec=65532:65532 "$root" /bertlabel serve --model m=/model --listen 127.0.0.1:$port
) 2>"$root.log" &
server=$!
for _ in $(seq 100); do
	curl -fs "$url/readyz" >/dev/null && break
	kill -0 $server 2>/dev/null || fail "the server has ended"
	sleep 0.1
done
ask() { curl -fs -m 10 "$url/v1/predict" -H 'Content-Type: application/json' -d '{"text": "My parcel never came."}'; }
want=$(ask) || fail "no answer"
grep -q '^Uid:.65532' "/proc/$server/status" || fail "another user"
grep -q '^Max open files *64 *64 ' "/proc/$server/limits" || fail "another limit"
touch "$root/x" 2>/dev/null && fail "the root can be written"
python3 - $port <<'PYTHON' || fail "connections"
import socket, sys, time
request = b"GET /v1/predict?text=a HTTP/1.1\r\nHost: localhost\r\n\r\n"
idle = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(100)]
time.sleep(0.5)
answered = 0
for c in idle:  # those that wait in the backlog have their turn when others have been closed with their answers
    c.settimeout(10)
    c.sendall(request)
    text = c.recv(1 << 16)
    answered += text.startswith(b"HTTP/1.1 200")
    if b"Connection: close" in text:
        c.close()
print(answered, "of", len(idle), "connections were answered")
sys.exit(answered != len(idle))
PYTHON
[ "$(ask)" = "$want" ] || fail "another answer after the connections"
kill -HUP $server
sleep 2
[ "$(ask)" = "$want" ] || fail "another answer after a reload"
curl -fs "$url/metrics" | grep -q 'bertlabel_reloads_total{result="ok"} 1' || fail "not reloaded"
kill -TERM $server
code=0
wait $server || code=$?
server=
[ $code = 0 ] || fail "exit code $code"
echo "ok: read-only root of two, user 65532, 64 descriptors"
