package embedded

import (
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// loopback is the only address the server listens on.
const loopback = "127.0.0.1"

// options returns everything the server is told. What is not here is off:
// MQTT, websocket, leaf nodes, gateways, clusters, monitoring, no_auth_user.
func (s *Server) options() (*server.Options, error) {
	o := &server.Options{
		ServerName: "lwj",
		Host:       loopback,
		Port:       listenPort(s.port),
		DontListen: s.cfg.Memory,
		NoSigs:     true,
		NoLog:      true, // the adapter of logger.go takes its place

		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               s.cfg.Dir, // the server adds "jetstream"
		SyncAlways:             s.cfg.Durability == Synced,
		SyncInterval:           syncInterval(s.cfg.Durability),
		JetStreamMaxMemory:     MaxMemoryStore,
		JetStreamMaxStore:      MaxFileStore,

		MaxConn:             MaxConnections,
		MaxPayload:          MaxPayload,
		MaxPending:          MaxPending,
		WriteDeadline:       WriteDeadline,
		NoFastProducerStall: true, // one slow reader must not slow the host
		PingInterval:        pingInterval,
		MaxPingsOut:         maxPingsOut,
		AuthTimeout:         handshakeTimeout.Seconds(),
	}
	if !s.cfg.Memory {
		o.TLSConfig = s.id.serverTLS()
		o.TLSTimeout = handshakeTimeout.Seconds()
	}
	return o, o.ProcessConfigString(s.accounts())
}

func listenPort(port int) int {
	if port == 0 {
		return server.RANDOM_PORT
	}
	return port
}

func syncInterval(d Durability) time.Duration {
	if d == Fast {
		return FastWindow
	}
	return ViewWindow
}
