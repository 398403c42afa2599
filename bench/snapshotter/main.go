// snapshotter-load, for snapshotter-bench: `serve` is containerd's Go overlay snapshotter behind
// containerd's own gRPC service, `cycles`, `calls` and `fill` are clients of any such service.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/contrib/snapshotservice"
	"github.com/containerd/containerd/snapshots"
	"github.com/containerd/containerd/snapshots/overlay"
	"github.com/containerd/containerd/snapshots/proxy"
	"google.golang.org/grpc"
)

const (
	connectTimeout = 60 * time.Second
	recordBytes    = 150 // about a snapshot's in locket-snapshotter's log
)

func serve(root, socket string) error {
	snapshotter, err := overlay.NewSnapshotter(root)
	if err != nil {
		return err
	}
	defer snapshotter.Close()
	server := grpc.NewServer()
	snapshotsapi.RegisterSnapshotsServer(server, snapshotservice.FromSnapshotter(snapshotter))
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	return server.Serve(listener)
}

func connect(socket string) (snapshots.Snapshotter, error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	connection, err := grpc.DialContext(ctx, socket, grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", address)
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to '%s': %w", socket, err)
	}
	return proxy.NewSnapshotter(snapshotsapi.NewSnapshotsClient(connection), "bench"), nil
}

// One life of a layer and of a container on it.
func cycle(ctx context.Context, s snapshots.Snapshotter, name string) error {
	if _, err := s.Prepare(ctx, name+"-extract", ""); err != nil {
		return err
	}
	if err := s.Commit(ctx, name+"-layer", name+"-extract"); err != nil {
		return err
	}
	if _, err := s.Prepare(ctx, name+"-container", name+"-layer"); err != nil {
		return err
	}
	if _, err := s.Mounts(ctx, name+"-container"); err != nil {
		return err
	}
	if err := s.Remove(ctx, name+"-container"); err != nil {
		return err
	}
	return s.Remove(ctx, name+"-layer")
}

// Runs work(ctx, i) for rising i in `clients` parallel loops until it says false or fails.
func parallel(clients int, work func(i int64) (bool, error)) error {
	var next int64
	var wait sync.WaitGroup
	failures := make(chan error, clients)
	for c := 0; c < clients; c++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for {
				more, err := work(atomic.AddInt64(&next, 1))
				if err != nil {
					failures <- err
				}
				if err != nil || !more {
					return
				}
			}
		}()
	}
	wait.Wait()
	close(failures)
	return <-failures
}

// Prints cycles per second.
func cycles(s snapshots.Snapshotter, clients int, span time.Duration) error {
	ctx := context.Background()
	var done int64
	start := time.Now()
	prefix := fmt.Sprintf("bench/%d/", start.UnixNano())
	err := parallel(clients, func(i int64) (bool, error) {
		if err := cycle(ctx, s, fmt.Sprint(prefix, i)); err != nil {
			return false, err
		}
		atomic.AddInt64(&done, 1)
		return time.Since(start) < span, nil
	})
	fmt.Printf("%.1f\n", float64(done)/time.Since(start).Seconds())
	return err
}

// Leaves `count` snapshots behind: half of them committed, each with one active child.
func fill(s snapshots.Snapshotter, clients int, count int64) error {
	ctx := context.Background()
	return parallel(clients, func(i int64) (bool, error) {
		if i > count/2 {
			return false, nil
		}
		name := fmt.Sprint("fill/", i)
		if _, err := s.Prepare(ctx, name+"-extract", ""); err != nil {
			return false, err
		}
		if err := s.Commit(ctx, name+"-layer", name+"-extract"); err != nil {
			return false, err
		}
		_, err := s.Prepare(ctx, name+"-container", name+"-layer")
		return true, err
	})
}

// Prints calls per second of a Stat, which no server writes anything for: what gRPC leaves room for.
func calls(s snapshots.Snapshotter, clients int, span time.Duration) error {
	ctx := context.Background()
	name := fmt.Sprint("bench/", time.Now().UnixNano(), "/stat")
	if _, err := s.Prepare(ctx, name, ""); err != nil {
		return err
	}
	defer s.Remove(ctx, name)
	var done int64
	start := time.Now()
	err := parallel(clients, func(int64) (bool, error) {
		if _, err := s.Stat(ctx, name); err != nil {
			return false, err
		}
		atomic.AddInt64(&done, 1)
		return time.Since(start) < span, nil
	})
	fmt.Printf("%.1f\n", float64(done)/time.Since(start).Seconds())
	return err
}

// Prints records per second, each appended to a file in `directory` and synced, one by one.
func syncs(directory string, span time.Duration) error {
	file, err := os.CreateTemp(directory, "syncs-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	var done int64
	start := time.Now()
	for record := make([]byte, recordBytes); time.Since(start) < span; done++ {
		if _, err := file.Write(record); err != nil {
			return err
		}
		if err := syscall.Fdatasync(int(file.Fd())); err != nil {
			return err
		}
	}
	fmt.Printf("%.1f\n", float64(done)/time.Since(start).Seconds())
	return nil
}

func run() error {
	root := flag.String("root", "", "with serve: the overlay snapshotter's directory; with syncs: where")
	socket := flag.String("socket", "", "unix socket to serve on or to connect to")
	clients := flag.Int("clients", 1, "parallel clients")
	span := flag.Duration("time", 5*time.Second, "with cycles, calls and syncs: how long")
	count := flag.Int64("count", 0, "with fill: how many snapshots")
	if len(os.Args) < 2 {
		return fmt.Errorf("usage: snapshotter-load serve|cycles|calls|fill|syncs [flags]")
	}
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		return err
	}
	if os.Args[1] == "serve" {
		return serve(*root, *socket)
	}
	if os.Args[1] == "syncs" {
		return syncs(*root, *span)
	}
	s, err := connect(*socket)
	if err != nil {
		return err
	}
	if os.Args[1] == "fill" {
		return fill(s, *clients, *count)
	}
	if os.Args[1] == "calls" {
		return calls(s, *clients, *span)
	}
	return cycles(s, *clients, *span)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "snapshotter-load:", err)
		os.Exit(1)
	}
}
