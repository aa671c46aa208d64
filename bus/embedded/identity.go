package embedded

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// The files of the identity, mode 0600. Tools take them as they are:
// nats --tlsfirst --tlsca tls.pem --nkey view.nk.
const (
	tlsFile   = "tls.pem"  // certificate and its key
	localFile = "local.nk" // seed of the user of all clients
	viewFile  = "view.nk"  // seed of the user of nats tools

	serverName = "lwj.local" // a name of the certificate
)

// identity is what a data directory proves itself with. It is made once, so
// that clients go on when another process opens the same directory.
type identity struct {
	cert        tls.Certificate
	certPEM     []byte // the certificate alone
	local, view key
}

// loadIdentity reads the identity of dir and makes what is not there.
func loadIdentity(dir string) (id identity, err error) {
	pair, err := readOrMake(filepath.Join(dir, tlsFile), newCertificate)
	if err != nil {
		return id, err
	}
	if id.cert, err = tls.X509KeyPair(pair, pair); err != nil {
		return id, brokenIdentity(dir, tlsFile, err)
	}
	id.certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.cert.Certificate[0]})
	if id.local, err = loadKey(dir, localFile); err != nil {
		return id, err
	}
	id.view, err = loadKey(dir, viewFile)
	return id, err
}

func loadKey(dir, name string) (key, error) {
	seed, err := readOrMake(filepath.Join(dir, name), func() ([]byte, error) {
		k, err := newKey()
		return append(k.seed, '\n'), err
	})
	if err != nil {
		return key{}, err
	}
	k, err := parseKey(bytes.TrimSpace(seed))
	if err != nil {
		return key{}, brokenIdentity(dir, name, err)
	}
	return k, nil
}

func brokenIdentity(dir, name string, err error) error {
	return bus.NewError(bus.CodeStore, "%s is damaged: %v", filepath.Join(dir, name), err).
		WithHint("remove it: a new one is made at the next start")
}

// readOrMake reads a secret, or makes and stores it, whole or not at all.
func readOrMake(path string, content func() ([]byte, error)) ([]byte, error) {
	b, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if b, err = content(); err != nil {
		return nil, err
	}
	return b, writeFile(path, b)
}

// newCertificate returns a self-signed certificate and its key as PEM. Who has
// it pinned trusts it alone, so it names this host only and does not expire.
func newCertificate() ([]byte, error) {
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := certificateTemplate()
	cert, err := x509.CreateCertificate(rand.Reader, t, t, &priv.PublicKey, priv)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), nil
}

func certificateTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: serverName},
		DNSNames:              []string{serverName, "localhost"},
		IPAddresses:           []net.IP{net.ParseIP(loopback)},
		NotBefore:             time.Unix(0, 0),
		NotAfter:              time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280, 4.1.2.5: no expiry
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

func (id *identity) serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{id.cert}, MinVersion: tls.VersionTLS13}
}

// clientTLS trusts this identity and no other.
func (id *identity) clientTLS() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(id.certPEM)
	return &tls.Config{RootCAs: pool, ServerName: serverName, MinVersion: tls.VersionTLS13}
}
