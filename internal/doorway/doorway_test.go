package doorway

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"
)

// TestPlacesAreGivenOn fills two listeners that share a doorway, and empties it again.
func TestPlacesAreGivenOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		d := New(2, func(net.Addr) { told++ })
		plain := []*bufconn.Listener{bufconn.Listen(1), bufconn.Listen(1)}
		accepted := make(chan net.Conn, 8)
		for _, p := range plain {
			l := d.Listener(p)
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					accepted <- conn
				}
			}()
			defer l.Close()
		}
		enters := func(i int) bool {
			t.Helper()
			peer, err := plain[i].DialContext(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer synctest.Wait()
			synctest.Wait()
			if len(accepted) > 0 {
				return true
			}
			if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("who is turned away reads %v", err)
			}
			return false
		}
		if !enters(0) {
			t.Fatal("the first is turned away")
		}
		first := <-accepted
		if !enters(1) {
			t.Fatal("the second is turned away")
		}
		second := <-accepted
		for i := range 4 {
			if enters(i % 2) {
				t.Fatalf("number %d enters", i+3)
			}
		}
		if told != 1 {
			t.Errorf("told %d times at once", told)
		}
		time.Sleep(time.Minute)
		if enters(0); told != 2 {
			t.Errorf("told %d times, one of them a minute later", told)
		}
		first.Close()
		first.Close() // gives no second place
		if !enters(1) {
			t.Error("a place that was left is not given on")
		}
		third := <-accepted
		if enters(0) {
			t.Error("a connection that was closed twice left two places")
		}
		second.Close()
		third.Close()
	})
}
