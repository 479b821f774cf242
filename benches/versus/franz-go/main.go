// franz-go: a promise per record, which counts; batches of fetched records, each looked at.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// One run, as the driver describes it (`Job` in ../src/lib.rs).
type job struct {
	work, bootstrap, topic, payloads string
	partitions, records, window      int64
	settings                         [][2]string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func run() error {
	job, err := parse(os.Args[1:])
	if err != nil {
		return err
	}
	switch job.work {
	case "produce":
		return produce(job)
	case "consume":
		return consume(job)
	}
	return fmt.Errorf("'%s' is not written", job.work)
}

func parse(args []string) (*job, error) {
	job := &job{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, errors.New("arguments are NAME=VALUE")
		}
		var err error
		switch name {
		case "work":
			job.work = value
		case "bootstrap":
			job.bootstrap = value
		case "topic":
			job.topic = value
		case "payloads":
			job.payloads = value
		case "partitions":
			job.partitions, err = number(value)
		case "records":
			job.records, err = number(value)
		case "window":
			job.window, err = number(value)
		default:
			job.settings = append(job.settings, [2]string{name, value})
		}
		if err != nil {
			return nil, err
		}
	}
	return job, nil
}

func number(value string) (int64, error) { return strconv.ParseInt(value, 10, 64) }

func produce(job *job) error {
	text, err := os.ReadFile(job.payloads)
	if err != nil {
		return err
	}
	values := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	payloads := make([][]byte, len(values))
	for i, value := range values {
		payloads[i] = []byte(value)
	}
	client, err := job.client(
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(int(job.window)),
	)
	if err != nil {
		return err
	}
	defer client.Close()

	var acknowledged, failed atomic.Int64
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.Add(1)
		} else {
			acknowledged.Add(1)
		}
	}
	ctx := context.Background()
	for n := int64(0); n < job.records; n++ {
		record := &kgo.Record{
			Topic:     job.topic,
			Partition: int32(n % job.partitions),
			Value:     payloads[n%int64(len(payloads))],
		}
		client.Produce(ctx, record, promise)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if failed.Load() > 0 {
		return fmt.Errorf("%d records were not written", failed.Load())
	}
	records := acknowledged.Load()
	fmt.Printf("%d records acknowledged, %d bytes\n", records, records*int64(len(payloads[0])))
	return nil
}

func consume(job *job) error {
	offsets := make(map[int32]kgo.Offset)
	for partition := int32(0); partition < int32(job.partitions); partition++ {
		offsets[partition] = kgo.NewOffset().AtStart()
	}
	client, err := job.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{job.topic: offsets}))
	if err != nil {
		return err
	}
	defer client.Close()

	var read, bytes int64
	for read < job.records {
		fetches := client.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			read++
			bytes += int64(len(record.Value))
		})
	}
	fmt.Printf("%d records read, %d bytes\n", read, bytes)
	return nil
}

func (job *job) client(opts ...kgo.Opt) (*kgo.Client, error) {
	opts = append(opts, kgo.SeedBrokers(strings.Split(job.bootstrap, ",")...))
	for _, setting := range job.settings {
		opt, err := option(setting[0], setting[1])
		if err != nil {
			return nil, err
		}
		opts = append(opts, opt)
	}
	return kgo.NewClient(opts...)
}

// The counterpart of a setting of the Java client.
func option(name, value string) (kgo.Opt, error) {
	switch name + "=" + value {
	case "acks=all":
		return kgo.RequiredAcks(kgo.AllISRAcks()), nil
	case "enable.idempotence=true", "check.crcs=true": // as ever; only their opposites have an option
		return kgo.ClientID("versus"), nil
	case "compression.type=none":
		return kgo.ProducerBatchCompression(kgo.NoCompression()), nil
	case "compression.type=lz4":
		return kgo.ProducerBatchCompression(kgo.Lz4Compression()), nil
	case "compression.type=snappy":
		return kgo.ProducerBatchCompression(kgo.SnappyCompression()), nil
	case "compression.type=gzip":
		return kgo.ProducerBatchCompression(kgo.GzipCompression()), nil
	case "compression.type=zstd":
		return kgo.ProducerBatchCompression(kgo.ZstdCompression()), nil
	}
	n, err := number(value)
	if err != nil {
		return nil, fmt.Errorf("%s=%s has no counterpart", name, value)
	}
	switch name {
	case "linger.ms":
		return kgo.ProducerLinger(time.Duration(n) * time.Millisecond), nil
	case "batch.size":
		return kgo.ProducerBatchMaxBytes(int32(n)), nil
	case "buffer.memory":
		return kgo.MaxBufferedBytes(int(n)), nil
	case "max.request.size":
		return kgo.BrokerMaxWriteBytes(int32(n)), nil
	case "fetch.min.bytes":
		return kgo.FetchMinBytes(int32(n)), nil
	case "fetch.max.wait.ms":
		return kgo.FetchMaxWait(time.Duration(n) * time.Millisecond), nil
	case "fetch.max.bytes":
		return kgo.FetchMaxBytes(int32(n)), nil
	case "max.partition.fetch.bytes":
		return kgo.FetchMaxPartitionBytes(int32(n)), nil
	}
	return nil, fmt.Errorf("%s=%s has no counterpart", name, value)
}
