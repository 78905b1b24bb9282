# A container of nothing but the program. Build it first, static, for the platform of the image:
#
#	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bertlabel ./cmd/bertlabel
#	docker build -t bertlabel .
#	docker run --rm -v "$PWD:/data" bertlabel predict --model /data/model --input /data/texts.csv
FROM scratch
COPY bertlabel /bertlabel
WORKDIR /data
ENTRYPOINT ["/bertlabel"]
