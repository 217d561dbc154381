// OpenSSL 3.5, as Node brings it, on signatures: each line of input is a question in JSON, each line of output "right",
// "wrong", or "refused: words".
//
// A question has base64 throughout: `issuer`, a certificate; then either `certificate`, which it is asked to have issued
// (names, key identifiers and the signature), or `message` and `signature`, with `digest` unless the algorithm hashes by
// itself.

import { X509Certificate, verify } from 'node:crypto';
import { createInterface } from 'node:readline';

const octets = (text) => Buffer.from(text, 'base64');

function answer(question) {
  const issuer = new X509Certificate(octets(question.issuer));
  if (question.certificate !== undefined) {
    const certificate = new X509Certificate(octets(question.certificate));
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  }
  return verify(question.digest, octets(question.message), issuer.publicKey, octets(question.signature));
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(answer(JSON.parse(line)) ? 'right' : 'wrong');
  } catch (error) {
    console.log(`refused: ${String(error.message).replaceAll(/\s+/g, ' ')}`);
  }
}
