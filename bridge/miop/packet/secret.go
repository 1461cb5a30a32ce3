package packet

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
)

// keySize is that of a DES key, and of a block.
const keySize = 8

// OpenBind reads the props of a bind of version 2 or 4. An error is a Fault; FaultSecret tells nothing of what was
// wrong, in words or in time, since the client could find out the key by asking often enough. It takes some 100 µs of computing
// for a key of 1,024 bits.
func OpenBind(key *rsa.PrivateKey, p Props) (BindRequest, error) {
	t, _ := p.Get("t")
	ts, _ := p.Get("ts")
	n, _ := p.Get("n")
	sealed, ok1 := fromBase64(p, "r")
	text, ok2 := fromBase64(p, "s")
	if !ok1 || !ok2 || len(text) == 0 || len(text)%keySize != 0 {
		return BindRequest{}, FaultSecret
	}
	var desKey [keySize]byte
	_, _ = rand.Read(desKey[:])
	// If the padding is wrong the key stays random, and what follows fails in the same way.
	//nolint:staticcheck // SA1019: the protocol has this encryption, and no other.
	if err := rsa.DecryptPKCS1v15SessionKey(nil, key, sealed, desKey[:]); err != nil {
		return BindRequest{}, FaultSecret // the text is as long as no ciphertext is
	}
	block, err := des.NewCipher(desKey[:])
	if err != nil {
		return BindRequest{}, FaultSecret
	}
	cipher.NewCBCDecrypter(block, desKey[:]).CryptBlocks(text, text)
	sum := bindSum(n, t, ts)
	user, good := unseal(text, sum[:])
	if good != 1 {
		return BindRequest{}, FaultSecret
	}
	b := BindRequest{KeepAlive: keepAlive(t)}
	if v, ok := parseUint(ts); ok {
		b.TS = max(int64(v), 0)
	}
	b.User, b.AppID, err = ParseUser(user)
	return b, err
}

// unseal checks the padding of text and the sum in it. good is 1 if both are right.
func unseal(text, sum []byte) (user []byte, good int) {
	const before, between = "user=", "&sign="
	pad := int(text[len(text)-1])
	good = subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, keySize)
	for i := 1; i <= keySize; i++ {
		within := subtle.ConstantTimeLessOrEq(i, pad)
		good &= (within ^ 1) | subtle.ConstantTimeEq(int32(text[len(text)-i]), int32(pad))
	}
	text = text[:len(text)-pad*good]
	tail := len(between) + len(sum)
	if len(text) < len(before)+tail {
		return nil, 0
	}
	at := len(text) - tail
	good &= subtle.ConstantTimeCompare(text[:len(before)], []byte(before))
	good &= subtle.ConstantTimeCompare(text[at:at+len(between)], []byte(between))
	good &= subtle.ConstantTimeCompare(text[at+len(between):], sum)
	return text[len(before):at], good
}

// bindSum is S.
func bindSum(n, t, ts []byte) (hexSum [2 * md5.Size]byte) {
	sum := md5.Sum(bytes.Join([][]byte{[]byte("n"), n, []byte("t"), t, []byte("ts"), ts}, nil))
	hex.Encode(hexSum[:], sum[:])
	return hexSum
}

// fromBase64 reads the value of key, which may go on in the lines behind it: base64 that some encoders break into lines, and which has no colon.
func fromBase64(p Props, key string) ([]byte, bool) {
	var text []byte
	found, within := false, false
	for rest := []byte(p); len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, lineFeed)
		k, v, begins := bytes.Cut(line, colon)
		switch {
		case begins:
			if within = string(k) == key; within { // the last one counts
				text, found = slices.Clone(v), true
			}
		case within:
			text = append(text, line...)
		}
	}
	out, err := base64.StdEncoding.AppendDecode(nil, text)
	return out, found && err == nil
}

// SealBind returns the props of a bind of version 2 or 4: what clients send. uuid is n and should be a new UUID each time; its
// first 8 bytes are the DES key, as in the SDK. It panics if uuid is shorter.
func SealBind(key *rsa.PublicKey, b *BindRequest, uuid string) (Props, error) {
	t, ts := strconv.FormatUint(uint64(b.KeepAlive), 10), strconv.FormatInt(b.TS, 10)
	desKey := []byte(uuid[:keySize])
	//nolint:staticcheck // SA1019: as in OpenBind.
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, key, desKey)
	if err != nil {
		return nil, err
	}
	sum := bindSum([]byte(uuid), []byte(t), []byte(ts))
	text := AppendUser([]byte("user="), string(b.User), b.AppID)
	text = append(append(text, "&sign="...), sum[:]...)
	pad := keySize - len(text)%keySize
	text = append(text, bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := des.NewCipher(desKey)
	if err != nil {
		return nil, err
	}
	cipher.NewCBCEncrypter(block, desKey).CryptBlocks(text, text)
	var p Props
	return p.With("t", t).With("n", uuid).With("ts", ts).
		With("s", base64.StdEncoding.EncodeToString(text)).
		With("r", base64.StdEncoding.EncodeToString(sealed)), nil
}
