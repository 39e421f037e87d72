module drawdown.example/examples

go 1.19

require (
	github.com/linkedin/goavro/v2 v2.12.0
	github.com/riferrei/srclient v0.6.0
	github.com/twmb/franz-go v1.15.4
)

require (
	github.com/golang/snappy v0.0.1 // indirect
	github.com/klauspost/compress v1.16.7 // indirect
	github.com/pierrec/lz4/v4 v4.1.19 // indirect
	github.com/santhosh-tekuri/jsonschema/v5 v5.0.0 // indirect
	github.com/twmb/franz-go/pkg/kmsg v1.7.0 // indirect
	golang.org/x/sync v0.0.0-20220513210516-0976fa681c29 // indirect
)
