// The other side of the interop tests: containerd's own ttrpc and task service.
//
//	interop serve SOCKET   serves containerd.task.v2.Task until standard input ends
//	interop call SOCKET    calls the tests' Task server and checks what it answers
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/runtime/v2/task"
	"github.com/containerd/ttrpc"
	"github.com/gogo/protobuf/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A task service of which only the methods below are ever called.
type service struct{ task.TaskService }

// State gives back what it is asked; of "big:N" an id of N bytes.
func (service) State(ctx context.Context, r *task.StateRequest) (*task.StateResponse, error) {
	id := r.ID
	if text := strings.TrimPrefix(id, "big:"); text != id {
		count, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		id = strings.Repeat("x", count)
	}
	color, _ := ttrpc.GetMetadataValue(ctx, "color")
	return &task.StateResponse{ID: id, ExecID: r.ExecID, Bundle: color, Pid: 7,
		ExitedAt: time.Unix(1700000000, 5).UTC()}, nil
}

// Kill fails with the status code that is the signal.
func (service) Kill(_ context.Context, r *task.KillRequest) (*types.Empty, error) {
	return nil, status.Error(codes.Code(r.Signal), "signal "+strconv.Itoa(int(r.Signal)))
}

// Wait takes until the caller's timeout.
func (service) Wait(ctx context.Context, _ *task.WaitRequest) (*task.WaitResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func serve(path string) error {
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	task.RegisterTaskService(server, service{})
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	fmt.Println("ready")
	if err := server.Serve(context.Background(), listener); !errors.Is(err, ttrpc.ErrServerClosed) {
		return err
	}
	return nil
}

func expect(err error, code codes.Code, message string) error {
	got, _ := status.FromError(err)
	if got.Code() != code || !strings.Contains(got.Message(), message) {
		return fmt.Errorf("expected %v %q, got: %w", code, message, err)
	}
	return nil
}

func checkState(ctx context.Context, client task.TaskService) error {
	ctx = ttrpc.WithMetadata(ctx, ttrpc.MD{"color": {"green"}})
	got, err := client.State(ctx, &task.StateRequest{ID: "c1", ExecID: "e1"})
	if err != nil {
		return err
	}
	if got.ID != "c1" || got.ExecID != "e1" || got.Bundle != "green" || got.Pid != 7 ||
		!got.ExitedAt.Equal(time.Unix(1700000000, 5)) {
		return fmt.Errorf("state came back as %v", got)
	}
	return nil
}

func checkErrors(ctx context.Context, client task.TaskService) error {
	_, err := client.Kill(ctx, &task.KillRequest{Signal: 5})
	if err := expect(err, codes.NotFound, "signal 5"); err != nil {
		return err
	}
	_, err = client.Pause(ctx, &task.PauseRequest{ID: "c1"})
	if err := expect(err, codes.Unimplemented, "containerd.task.v2.Task/Pause"); err != nil {
		return err
	}
	_, err = client.State(ctx, &task.StateRequest{ID: strings.Repeat("x", 5<<20)})
	if err := expect(err, codes.ResourceExhausted, "more than 4194304"); err != nil {
		return err
	}
	_, err = client.State(ctx, &task.StateRequest{ID: "big:5000000"})
	return expect(err, codes.ResourceExhausted, "more than 4194304")
}

func checkTimeout(ctx context.Context, client task.TaskService) error {
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := client.Wait(ctx, &task.WaitRequest{ID: "c1"}); err == nil {
		return errors.New("wait came back without an error")
	}
	return nil
}

func checkMany(ctx context.Context, client task.TaskService) error {
	const calls = 64
	failures := make([]error, calls)
	var all sync.WaitGroup
	for i := range failures {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			id := strconv.Itoa(i)
			got, err := client.State(ctx, &task.StateRequest{ID: id})
			if err == nil && got.ID != id {
				err = fmt.Errorf("call %s was answered with %s", id, got.ID)
			}
			failures[i] = err
		}(i)
	}
	all.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

func call(path string) error {
	connection, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	transport := ttrpc.NewClient(connection)
	defer transport.Close()
	client := task.NewTaskClient(transport)
	for _, check := range []struct {
		name string
		run  func(context.Context, task.TaskService) error
	}{
		{"state", checkState}, {"errors", checkErrors}, {"timeout", checkTimeout},
		{"many", checkMany}, {"state again", checkState},
	} {
		if err := check.run(context.Background(), client); err != nil {
			return fmt.Errorf("%s: %w", check.name, err)
		}
		fmt.Println("passed:", check.name)
	}
	return nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: interop serve|call SOCKET")
		os.Exit(2)
	}
	run := map[string]func(string) error{"serve": serve, "call": call}[os.Args[1]]
	if err := run(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}
