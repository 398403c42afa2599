// containerd's own conformance suite for snapshotters, over its own proxy client, against the real
// binary: one fresh server on a fresh root for each subtest. Run by run_suite.sh.
package suite

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/snapshots"
	"github.com/containerd/containerd/snapshots/proxy"
	"github.com/containerd/containerd/snapshots/testsuite"
	"google.golang.org/grpc"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// connect returns once the server answers.
func connect(ctx context.Context, socket string) (*grpc.ClientConn, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return grpc.DialContext(ctx, socket, grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", address)
		}))
}

func startServer(ctx context.Context, root string) (snapshots.Snapshotter, func() error, error) {
	// Beside the root: a unix socket's path may not be longer than 107 bytes.
	socket := filepath.Join(filepath.Dir(root), "s")
	var output bytes.Buffer
	server := exec.Command(os.Getenv("LOCKET_SNAPSHOTTER"), "--root", root, "--address", socket)
	server.Stderr = &output
	if err := server.Start(); err != nil {
		return nil, nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()

	conn, err := connect(ctx, socket)
	if err != nil {
		_ = server.Process.Kill()
		<-ended
		return nil, nil, fmt.Errorf("connect: %w; the server wrote: %s", err, output.String())
	}
	stop := func() error {
		_ = conn.Close()
		if err := server.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("server ended: %w: %s", err, output.String())
			}
			return nil
		case <-time.After(stopTimeout):
			_ = server.Process.Kill()
			return fmt.Errorf("server ignored SIGTERM: %s", output.String())
		}
	}
	return proxy.NewSnapshotter(snapshotsapi.NewSnapshotsClient(conn), "locket"), stop, nil
}

func TestSuite(t *testing.T) {
	testsuite.SnapshotterSuite(t, "locket", startServer)
}
