/**
 * Certificates for tests of TLS, made in memory: Node makes keys and signatures, and the X.509 around them (RFC 5280, in DER) is built here, so
 * that no test needs a program or a file that could run out.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** A private key and its certificate, both in PEM. */
export interface KeyAndCertificate {
  readonly key: string
  readonly cert: string
}

/** What a test of TLS needs: one that is right, and one for each way of being wrong. */
export interface TestCertificates {
  /** The authority's certificate in PEM: what a client trusts. */
  readonly ca: string
  /** Another authority's, which signed none of the others. */
  readonly otherCa: string
  /** For `localhost`, 127.0.0.1 and ::1. */
  readonly right: KeyAndCertificate
  /** For `elsewhere.test` only. */
  readonly wrongHost: KeyAndCertificate
  /** For the right names, until 2021. */
  readonly expired: KeyAndCertificate
  /** For the right names, signed by nobody else. */
  readonly selfSigned: KeyAndCertificate
}

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts)
  const n = content.length
  const length = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}
const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts)
const text = (tag: number, value: string) => der(tag, Buffer.from(value))
const octets = (value: Uint8Array) => der(0x04, value)
const bits = (value: Uint8Array, unused = 0) => der(0x03, Buffer.from([unused]), value)
/** An object identifier, as the hex of its encoded arcs. */
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const yes = der(0x01, Buffer.from([255]))

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
const commonName = (name: string) => sequence(der(0x31, sequence(oid('550403'), text(0x0c, name))))
const extension = (id: string, value: Uint8Array) => sequence(oid(id), yes, octets(value))

/** `localhost` as a DNS name, `127.0.0.1` and `::1` as addresses. */
function alternativeName(name: string): Buffer {
  if (name === '::1') return der(0x87, Buffer.from([...new Array(15).fill(0), 1]))
  return /^[\d.]+$/.test(name) ? der(0x87, Buffer.from(name.split('.').map(Number))) : text(0x82, name)
}

interface Signer {
  readonly name: string
  readonly key: KeyObject
}

interface Subject {
  readonly name: string
  /** Empty for an authority. */
  readonly hosts: readonly string[]
  /** Years of the first and the last day. */
  readonly valid?: readonly [number, number]
}

function issue(subject: Subject, by?: Signer): KeyAndCertificate & { readonly signer: Signer } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = by ?? { name: subject.name, key: privateKey }
  const [from, to] = subject.valid ?? [2020, 2049]
  const day = (year: number) => text(0x17, `${String(year).slice(2)}0101000000Z`)
  const extensions =
    subject.hosts.length === 0
      ? [extension('551d13', sequence(yes)), extension('551d0f', bits(Buffer.from([0x06]), 1))]
      : [extension('551d11', sequence(...subject.hosts.map(alternativeName)))]
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1]), randomBytes(15)),
    ecdsaWithSha256,
    commonName(issuer.name),
    sequence(day(from), day(to)),
    commonName(subject.name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  )
  const certificate = sequence(body, ecdsaWithSha256, bits(sign('sha256', body, issuer.key)))
  const lines = certificate.toString('base64').replace(/.{64}/g, '$&\n')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    signer: { name: subject.name, key: privateKey },
  }
}

/**
 * Makes an authority and what it signed, anew at each call (a few milliseconds).
 *
 * @example const { ca, right } = testCertificates(); tls.createServer(right); tls.connect({ ca, host: 'localhost', port })
 */
export function testCertificates(): TestCertificates {
  const authority = issue({ name: 'Sluice test authority', hosts: [] })
  const hosts = ['localhost', '127.0.0.1', '::1']
  return {
    ca: authority.cert,
    otherCa: issue({ name: 'Another test authority', hosts: [] }).cert,
    right: issue({ name: 'localhost', hosts }, authority.signer),
    wrongHost: issue({ name: 'elsewhere.test', hosts: ['elsewhere.test'] }, authority.signer),
    expired: issue({ name: 'localhost', hosts, valid: [2020, 2021] }, authority.signer),
    selfSigned: issue({ name: 'localhost', hosts }),
  }
}
