// Issues certificates for requests with Go's own library: `issue CA-CERTIFICATE CA-KEY TURNS FOLDER...`.
//
// A goroutine a folder reads its requests (DER, *.csr) and, so many times over, checks each, makes a certificate
// with a random serial, and keeps the last one. Nothing is stored.
package main

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

func main() {
	certificate, err := x509.ParseCertificate(block(os.Args[1]))
	must(err)
	parsed, err := x509.ParsePKCS8PrivateKey(block(os.Args[2]))
	must(err)
	turns, err := strconv.Atoi(os.Args[3])
	must(err)
	var group sync.WaitGroup
	for _, folder := range os.Args[4:] {
		group.Add(1)
		go func(folder string) {
			defer group.Done()
			requests := read(folder)
			for turn := 0; turn < turns; turn++ {
				for _, request := range requests {
					issue(request, certificate, parsed.(crypto.Signer))
				}
			}
		}(folder)
	}
	group.Wait()
}

func read(folder string) [][]byte {
	paths, err := filepath.Glob(filepath.Join(folder, "*.csr"))
	must(err)
	var found [][]byte
	for _, path := range paths {
		octets, err := os.ReadFile(path)
		must(err)
		found = append(found, octets)
	}
	return found
}

func issue(encoded []byte, issuer *x509.Certificate, key crypto.Signer) []byte {
	request, err := x509.ParseCertificateRequest(encoded)
	must(err)
	must(request.CheckSignature())
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 158))
	must(err)
	begins := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Country: []string{"JP"}, CommonName: "12345678901234567890123456789012"},
		NotBefore:             begins,
		NotAfter:              begins.AddDate(5, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		PolicyIdentifiers:     nil,
		CRLDistributionPoints: []string{"http://127.0.0.1:8080/jpki-31.crl"},
		OCSPServer:            []string{"http://127.0.0.1:8080/ocsp/jpki-31.g1"},
	}
	made, err := x509.CreateCertificate(rand.Reader, template, issuer, request.PublicKey, key)
	must(err)
	return made
}

func block(path string) []byte {
	octets, err := os.ReadFile(path)
	must(err)
	found, _ := pem.Decode(octets)
	if found == nil {
		log.Fatalf("%s is not PEM", path)
	}
	return found.Bytes
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
