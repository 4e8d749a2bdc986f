// Turns kfake into a Kafka cluster whose faults a test's process orders, a line of JSON an order.
// Never listens beyond the loopback address and never outlives its parent: it ends with its standard input.
// Rules: docs/testing.md, "The faulty cluster"; kfake's package documentation.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// An order of the test; which fields count depends on Do.
type order struct {
	Do         string  `json:"do"`
	Keys       []int16 `json:"keys"`
	Topic      string  `json:"topic"`
	Partitions int32   `json:"partitions"`
	Error      int16   `json:"error"`
	Count      int     `json:"count"`
}

type answer struct {
	OK    bool    `json:"ok"`
	Error string  `json:"error,omitempty"`
	Ends  []int64 `json:"ends,omitempty"`
	Hits  int64   `json:"hits"`
}

type cluster struct {
	*kfake.Cluster
	faults []*kfake.FaultHandle
	age    atomic.Int64 // how often faults were taken back; a control of an earlier age is over
	hits   atomic.Int64
}

var errCut = errors.New("cut")

// Gives what reply says to requests of a key that it wants, count times, -1 = until heal.
func (c *cluster) answer(key int16, count int, reply func(kmsg.Request) (kmsg.Response, error, bool)) {
	age, left := c.age.Load(), count
	c.ControlKey(key, func(request kmsg.Request) (kmsg.Response, error, bool) {
		if c.age.Load() != age || left == 0 {
			c.DropControl()
			return nil, nil, false
		}
		c.KeepControl()
		response, err, wanted := reply(request)
		if wanted {
			left--
			c.hits.Add(1)
		}
		return response, err, wanted
	})
}

func (c *cluster) fault(o order) error {
	code, known := kerr.ErrorForCode(o.Error).(*kerr.Error)
	if !known {
		return fmt.Errorf("error code %d is not known", o.Error)
	}
	keys := make([]kmsg.Key, 0, len(o.Keys))
	for _, key := range o.Keys {
		keys = append(keys, kmsg.Key(key))
	}
	// What has no entity to fail has a code at its top.
	for _, top := range []bool{false, true} {
		fault := kfake.Fault{Keys: keys, Topic: o.Topic, Err: code, Count: o.Count, TopLevel: top}
		c.faults = append(c.faults, c.Fault(fault))
	}
	return nil
}

// Answers questions for all topics, count times, by what is so now.
func (c *cluster) stale(count int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		return err
	}
	defer client.Close()
	now, err := kmsg.NewPtrMetadataRequest().RequestWith(context.Background(), client)
	if err != nil {
		return err
	}
	c.answer(int16(kmsg.Metadata), count, func(request kmsg.Request) (kmsg.Response, error, bool) {
		asked := request.(*kmsg.MetadataRequest)
		answer := *now
		answer.SetVersion(asked.GetVersion())
		return &answer, nil, asked.Topics == nil
	})
	return nil
}

func (c *cluster) heal() {
	c.age.Add(1)
	for _, fault := range c.faults {
		c.hits.Add(int64(fault.Hits()))
		fault.Remove()
	}
	c.faults = nil
}

func (c *cluster) follow(o order) (answer, error) {
	switch o.Do {
	case "topic":
		return answer{}, c.CreateTopic(o.Topic, o.Partitions, nil)
	case "fault":
		return answer{}, c.fault(o)
	case "silence", "cut":
		outcome := map[string]error{"silence": nil, "cut": errCut}[o.Do]
		for _, key := range o.Keys {
			c.answer(key, o.Count, func(kmsg.Request) (kmsg.Response, error, bool) { return nil, outcome, true })
		}
	case "stale":
		return answer{}, c.stale(o.Count)
	case "shuffle":
		c.ShufflePartitionLeaders()
		c.RehashCoordinators()
	case "hits": // every answer has them
	case "heal":
		c.heal()
	case "ends":
		ends := []int64{}
		for _, info := range c.PartitionInfos(o.Topic) {
			ends = append(ends, info.HighWatermark)
		}
		return answer{Ends: ends}, nil
	default:
		return answer{}, fmt.Errorf("order %q is not known", o.Do)
	}
	return answer{}, nil
}

func options() []kfake.Opt {
	brokers := flag.Int("brokers", 1, "how many")
	topics := flag.String("topics", "", "names with a comma between")
	partitions := flag.Int("partitions", 4, "of each topic")
	blackhole := flag.Bool("blackhole", false, "store nothing")
	synthetic := flag.Int("synthetic", 0, "answer every fetch with made-up records of so many bytes")
	flag.Parse()
	found := []kfake.Opt{kfake.NumBrokers(*brokers), kfake.DefaultNumPartitions(*partitions)}
	if *topics != "" {
		found = append(found, kfake.SeedTopics(int32(*partitions), strings.Split(*topics, ",")...))
	}
	if *blackhole {
		found = append(found, kfake.BlackholeProduce())
	}
	if *synthetic > 0 {
		found = append(found, kfake.SyntheticFetch(kfake.SyntheticBatch{RecordBytes: *synthetic}))
	}
	return found
}

func main() {
	under, err := kfake.NewCluster(options()...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer under.Close()
	c := &cluster{Cluster: under}
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(map[string]string{"brokers": strings.Join(c.ListenAddrs(), ",")})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var o order
		var done answer
		err := json.Unmarshal(lines.Bytes(), &o)
		if err == nil {
			done, err = c.follow(o)
		}
		if err != nil {
			done.Error = err.Error()
		}
		done.OK = err == nil
		done.Hits = c.hits.Load()
		_ = out.Encode(done)
	}
}
