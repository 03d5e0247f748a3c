// registrar tells the kubelet of a CSI driver: it serves the socket by which the kubelet's plugin watcher
// learns the driver's name and where its own socket is. It stands in for the sidecar node-driver-registrar,
// which is not published as a Go module, and takes the same flags.
package main

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

func main() {
	address := flag.String("csi-address", "/run/csi/socket", "socket of the CSI driver, as this program sees it")
	endpoint := flag.String("kubelet-registration-path", "", "socket of the CSI driver, as the kubelet sees it")
	directory := flag.String("plugin-registration-path", "/registration", "directory that the kubelet watches")
	health := flag.String("http-endpoint", "", "address to answer HTTP on")
	for _, ignored := range []string{"v", "timeout"} {
		flag.String(ignored, "", "ignored")
	}
	flag.Parse()

	name, err := nameOfDriver(*address)
	if err != nil {
		log.Fatal(err)
	}
	socket := filepath.Join(*directory, name+"-reg.sock")
	if *health != "" {
		go func() { log.Fatal(http.ListenAndServe(*health, healthOf(socket))) }()
	}
	if err := serve(socket, &server{name: name, endpoint: *endpoint}); err != nil {
		log.Fatal(err)
	}
}

// nameOfDriver asks the driver for its name, waiting for it to start: the kubelet calls the driver as soon
// as it sees the registration socket, which must not be there before.
func nameOfDriver(address string) (string, error) {
	connection, err := grpc.NewClient("unix:"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", err
	}
	defer connection.Close()
	info, err := csi.NewIdentityClient(connection).GetPluginInfo(context.Background(), &csi.GetPluginInfoRequest{}, grpc.WaitForReady(true))
	return info.GetName(), err
}

// healthOf answers with success as long as the registration socket exists.
func healthOf(socket string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(socket); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return mux
}

// serve answers the kubelet on the socket until this program is asked to end, then removes the socket.
func serve(socket string, s *server) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	g := grpc.NewServer()
	registration.RegisterRegistrationServer(g, s)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		g.Stop() // closes the listener, and with it goes the socket
	}()
	return g.Serve(listener)
}

type server struct {
	registration.UnimplementedRegistrationServer
	name, endpoint string
}

// GetInfo tells the kubelet which driver this is.
func (s *server) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              s.name,
		Endpoint:          s.endpoint,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

// NotifyRegistrationStatus learns what became of it. A refusal ends this program: it is tried again when
// the container is started anew.
func (s *server) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		log.Fatalf("the kubelet refused %s: %s", s.name, status.Error)
	}
	log.Printf("registered %s at %s", s.name, s.endpoint)
	return &registration.RegistrationStatusResponse{}, nil
}
