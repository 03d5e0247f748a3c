// livenessprobe answers HTTP on /healthz with what the driver answers to the CSI call Probe. It stands in
// for the sidecar of that name, which is not published as a Go module, and takes the same flags.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	address := flag.String("csi-address", "/run/csi/socket", "socket of the CSI driver")
	listen := flag.String("http-endpoint", "", "address to answer HTTP on")
	port := flag.String("health-port", "9808", "port to answer HTTP on, where no address is given")
	timeout := flag.Duration("probe-timeout", time.Second, "time that a probe may take")
	for _, ignored := range []string{"v", "metrics-address"} {
		flag.String(ignored, "", "ignored")
	}
	flag.Parse()
	if *listen == "" {
		*listen = ":" + *port
	}

	// Connects at the first call, and again whenever the driver has been started anew.
	connection, err := grpc.NewClient("unix:"+*address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	driver := csi.NewIdentityClient(connection)
	http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), *timeout)
		defer cancel()
		answer, err := driver.Probe(ctx, &csi.ProbeRequest{})
		switch {
		case err != nil:
			log.Print(err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
		case answer.Ready != nil && !answer.Ready.Value:
			log.Print("the driver is not ready")
			http.Error(w, "the driver is not ready", http.StatusInternalServerError)
		}
	})
	log.Fatal(http.ListenAndServe(*listen, nil))
}
