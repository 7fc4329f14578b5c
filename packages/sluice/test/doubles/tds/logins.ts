/** What a login brings (LOGIN7, MS-TDS 2.2.6.4): a password, a token of Microsoft Entra ID, or a conversation in NTLM (MS-NLMP). */
import { createHmac } from 'node:crypto'
import { createRequire } from 'node:module'
import { join, u8, u16, u32 } from './bytes.ts'
import { loginPassword, loginText } from './requests.ts'

/** A login as it was asked for. */
export interface ReceivedLogin {
  readonly user: string
  readonly password: string
  readonly database: string
  readonly application: string
  readonly language: string
  /** ApplicationIntent=ReadOnly. */
  readonly readOnlyIntent: boolean
  /** A token that came along (FEDAUTH, security token). */
  readonly token?: string
  /** Whether a token is to be asked for (FEDAUTH, ADAL). */
  readonly wantsToken: boolean
  /** Whether a conversation in NTLM begins. */
  readonly ntlm: boolean
}

/** Reads a login. */
export function readLogin(body: Buffer): ReceivedLogin {
  const fedAuth = fedAuthOf(body)
  return {
    user: loginText(body, 1),
    password: loginPassword(body),
    database: loginText(body, 8),
    application: loginText(body, 3),
    language: loginText(body, 7),
    readOnlyIntent: (body[26]! & 0x20) !== 0,
    ...(fedAuth?.library === 1 ? { token: fedAuth.data.toString('utf16le', 4) } : {}),
    wantsToken: fedAuth?.library === 2,
    ntlm: (body[25]! & 0x80) !== 0,
  }
}

/** The extension FEDAUTH, where there is one: its library (1 a token, 2 ADAL) and what follows. */
function fedAuthOf(body: Buffer): { readonly library: number; readonly data: Buffer } | undefined {
  if ((body[27]! & 0x10) === 0) return undefined
  let at = body.readUInt32LE(body.readUInt16LE(56))
  while (body[at] !== 0xff) {
    const length = body.readUInt32LE(at + 1)
    if (body[at] === 2) return { library: body[at + 5]! >> 1, data: body.subarray(at + 6, at + 5 + length) }
    at += 5 + length
  }
  return undefined
}

const nonce = Buffer.from('0123456789abcdef', 'hex')
/** The name of the server's domain, as a target: an AV_PAIR, and the end of the list. */
const target = join(u16(2), u16(8), Buffer.from('CORP', 'utf16le'), u16(0), u16(0))

/** The token SSPI with a challenge. */
export function ntlmChallenge(): Buffer {
  const domain = Buffer.from('CORP', 'utf16le')
  const challenge = join(
    ...[Buffer.from('NTLMSSP\0'), u32(2), u16(domain.length), u16(domain.length), u32(56), u32(0x00828205), nonce],
    ...[
      Buffer.alloc(8),
      u16(target.length),
      u16(target.length),
      u32(56 + domain.length),
      Buffer.alloc(8),
      domain,
      target,
    ],
  )
  return join(u8(0xed), u16(challenge.length), challenge)
}

/** Who answered a challenge: as `DOMAIN\user`, and whether the answer was made with the password. */
export function ntlmAnswer(
  body: Buffer,
  passwords: { readonly [user: string]: string },
): { readonly user: string; readonly isRight: boolean } {
  const field = (at: number) =>
    body.subarray(body.readUInt32LE(at + 4), body.readUInt32LE(at + 4) + body.readUInt16LE(at))
  const [domain, name] = [field(28).toString('utf16le'), field(36).toString('utf16le')]
  const user = `${domain}\\${name}`
  const proof = field(20).subarray(0, 16)
  const blob = body.subarray(body.readUInt32LE(24) + 16)
  const hmac = (key: Buffer, data: Buffer) => createHmac('md5', key).update(data).digest()
  const md4 = createRequire(createRequire(import.meta.url).resolve('tedious'))('js-md4') as {
    arrayBuffer(data: Buffer): ArrayBuffer
  }
  const password = passwords[user]
  if (password === undefined) return { user, isRight: false }
  const key = hmac(
    Buffer.from(md4.arrayBuffer(Buffer.from(password, 'utf16le'))),
    Buffer.from(name.toUpperCase() + domain.toUpperCase(), 'utf16le'),
  )
  return { user, isRight: hmac(key, Buffer.concat([nonce, blob])).equals(proof) }
}

/** FEDAUTHINFO: where to ask for a token, and for whom. */
export function fedAuthInfo(stsUrl: string, spn: string): Buffer {
  const texts = [stsUrl, spn].map((text) => Buffer.from(text, 'utf16le'))
  let offset = 4 + 9 * texts.length
  const heads = texts.map((text, i) => {
    const head = join(u8(i + 1), u32(text.length), u32(offset))
    offset += text.length
    return head
  })
  const data = join(u32(texts.length), ...heads, ...texts)
  return join(u8(0xee), u32(data.length), data)
}

/** FEATUREEXTACK of FEDAUTH, with nothing to add. */
export const fedAuthAck = (): Buffer => join(u8(0xae), u8(2), u32(0), u8(0xff))

/** ENVCHANGE 20: log in elsewhere. */
export function routing({ host, port }: { readonly host: string; readonly port: number }): Buffer {
  const route = join(u8(0), u16(port), u16(host.length), Buffer.from(host, 'utf16le'))
  const body = join(u8(20), u16(route.length), route, u16(0))
  return join(u8(0xe3), u16(body.length), body)
}
