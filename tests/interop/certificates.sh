#!/bin/sh
# Makes the certificates of the TLS tests: sh certificates.sh FOLDER. NAME.pem has its NAME.key.
#   ca        the authority that the tests trust, server, client and others are its
#   server    for localhost and 127.0.0.1, ECDSA; server.ocsp is a response that calls it good
#   rsa       for the same names
#   one, wild for one.test and *.wild.test
#   client    CN=lock keeper
#   stranger-ca, stranger   an authority that nobody trusts, and its certificate of both kinds
set -eu
cd "$1"

curve=ec_paramgen_curve:P-256
local_names='subjectAltName=DNS:localhost,IP:127.0.0.1'

quietly() {
  "$@" >log 2>&1 || { cat log >&2; exit 1; }
}

# authority NAME SUBJECT
authority() {
  quietly openssl req -x509 -noenc -days 30 -subj "$2" -keyout "$1.key" -out "$1.pem" \
    -newkey ec -pkeyopt "$curve" -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}

# signed NAME AUTHORITY SUBJECT NAMES USE [OPTION...]: the options choose an RSA key instead.
signed() {
  name=$1 by=$2 subject=$3 names=$4 use=$5
  shift 5
  usage=digitalSignature
  if [ $# -gt 0 ]; then usage=$usage,keyEncipherment
  else set -- -newkey ec -pkeyopt "$curve"
  fi
  quietly openssl req -x509 -noenc -days 30 -subj "$subject" -keyout "$name.key" \
    -out "$name.pem" -CA "$by.pem" -CAkey "$by.key" "$@" \
    -addext basicConstraints=critical,CA:FALSE -addext "extendedKeyUsage=$use" \
    -addext "keyUsage=critical,$usage" -addext "$names"
}

authority ca '/O=sluice tests/CN=test authority'
authority stranger-ca '/O=somebody else/CN=another authority'
signed server ca /CN=localhost "$local_names" serverAuth
signed rsa ca /CN=localhost "$local_names" serverAuth -newkey rsa:2048
signed one ca /CN=one.test subjectAltName=DNS:one.test serverAuth
signed wild ca '/CN=*.wild.test' 'subjectAltName=DNS:*.wild.test' serverAuth
signed client ca '/O=sluice tests/CN=lock keeper' subjectAltName=DNS:keeper.test clientAuth
signed stranger stranger-ca '/CN=localhost' "$local_names" serverAuth,clientAuth

serial=$(openssl x509 -in server.pem -noout -serial | cut -d= -f2)
printf 'V\t%s\t\t%s\tunknown\t/CN=localhost\n' 491231235959Z "$serial" >index.txt
quietly openssl ocsp -index index.txt -rsigner ca.pem -rkey ca.key -CA ca.pem -issuer ca.pem \
  -cert server.pem -ndays 1 -noverify -respout server.ocsp
