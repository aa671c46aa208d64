package bus

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"
)

// HostFileName is the name of the host file in a data directory.
const HostFileName = "host.json"

// HostFormat is the newest format of a data directory that this code reads.
const HostFormat = 1

// maxHostFile bounds the host file, in bytes.
const maxHostFile = 64 << 10

// HostFile says where the host of a data directory listens and how to know
// it. It holds keys: its mode is 0600. A host replaces it as a whole; the keys
// and the certificate outlive hosts, only address and pid change.
type HostFile struct {
	Format      int    `json:"format"`              // of the data directory
	Store       string `json:"store"`               // id of the store
	Namespace   string `json:"namespace,omitempty"` // that the host serves
	PID         int    `json:"pid"`                 // process of the host
	Address     string `json:"address"`             // host:port, loopback
	Certificate string `json:"certificate"`         // PEM: the only certificate to be believed
	Seed        string `json:"seed"`                // nkey seed of the client user
	ViewSeed    string `json:"view_seed,omitempty"` // nkey seed of the user for plain NATS tools
}

// ReadHostFile reads the host file of a data directory.
//
// Errors: CodeUnreachable (wrapping fs.ErrNotExist) where there is none,
// CodeDenied for one that others may read or write, CodeStore for a newer
// format, CodeMalformed.
func ReadHostFile(dir string) (*HostFile, error) {
	path := filepath.Join(dir, HostFileName)
	b, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	h := new(HostFile)
	if err := json.Unmarshal(b, h); err != nil {
		return nil, NewError(CodeMalformed, "%s: %v", path, err)
	}
	if h.Format > HostFormat {
		return nil, NewError(CodeStore, "%s has format %d, this program reads up to %d", path, h.Format, HostFormat).
			WithHint("use a newer lwj")
	}
	if err := h.validate(); err != nil {
		return nil, NewError(CodeMalformed, "%s: %v", path, err)
	}
	return h, nil
}

func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", NewError(CodeUnreachable, "no host has been here"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", NewError(CodeDenied, "the host file cannot be read"), err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", NewError(CodeDenied, "the host file cannot be read"), err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, NewError(CodeDenied, "%s has mode %04o: others may know or change its keys", path, info.Mode().Perm()).
			WithHint("chmod 600 %s", path)
	}
	return io.ReadAll(io.LimitReader(f, maxHostFile))
}

// serves refuses a host of another namespace: it answers no request of ours.
func (h *HostFile) serves(namespace string) error {
	if h.Namespace == "" || h.Namespace == namespace {
		return nil
	}
	return NewError(CodeUnreachable, "the host of this data directory (process %d) serves namespace %s, not %s", h.PID, h.Namespace, namespace).
		WithHint("use another --dir for another namespace")
}

func (h *HostFile) validate() error {
	if _, _, err := net.SplitHostPort(h.Address); err != nil {
		return err
	}
	if _, err := h.pinned(); err != nil {
		return err
	}
	_, err := h.publicKey()
	return err
}

// pinned returns the certificate in DER.
func (h *HostFile) pinned() ([]byte, error) {
	block, _ := pem.Decode([]byte(h.Certificate))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate")
	}
	return block.Bytes, nil
}

func (h *HostFile) publicKey() (string, error) {
	pair, err := nkeys.FromSeed([]byte(h.Seed))
	if err != nil {
		return "", err
	}
	defer pair.Wipe()
	return pair.PublicKey()
}

func (h *HostFile) sign(nonce []byte) ([]byte, error) {
	pair, err := nkeys.FromSeed([]byte(h.Seed))
	if err != nil {
		return nil, err
	}
	defer pair.Wipe()
	return pair.Sign(nonce)
}

// tlsConfig believes the pinned certificate, byte for byte, and no other: no
// name, authority or date counts.
func (h *HostFile) tlsConfig() (*tls.Config, error) {
	pinned, err := h.pinned()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // replaced by the comparison below
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, pinned) {
				return errStranger
			}
			return nil
		},
	}, nil
}

var errStranger = NewError(CodeUnreachable, "a stranger listens where the host did")
