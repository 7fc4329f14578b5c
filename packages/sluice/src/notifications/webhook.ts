/**
 * Notifications as signed POST requests, after the Standard Webhooks specification 1.0: `webhook-id`, `webhook-timestamp` and
 * `webhook-signature` (HMAC-SHA256 over `<id>.<timestamp>.<body>`).
 */
import { createHmac } from 'node:crypto'
import { lookup as systemLookup } from 'node:dns/promises'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { isIP } from 'node:net'
import { sluiceError } from '../base/errors.ts'
import type { Notifier } from '../definition/types.ts'
import { isPublicAddress } from './address.ts'
import { jsonOf } from './message.ts'
import type { NotifierAdapter, NotifierContext } from './notifier.ts'
import { type Try, tryAgain } from './retry.ts'

/** A try ends after so many milliseconds. */
const timeoutMs = 10_000

/** More of a response is not read; none of it is kept. */
const maxResponseBytes = 64 * 1024

/**
 * Posts each notification as JSON.
 *
 * The host's name is resolved once; every address it has must be public, and the connection goes to the address that was checked, so that a
 * name cannot change its meaning in between. Redirects are not followed. With `allowPrivate`, any address and plain http are taken.
 *
 * @example webhookNotifier({ kind: 'webhook', url: 'https://hooks.example.com/x' }, context)
 * @throws Notification.Refused where the address is not allowed, Notification.Failed where it was not delivered
 */
export function webhookNotifier(
  definition: Extract<Notifier, { kind: 'webhook' }>,
  { resolve, clock, lookup = systemAddresses }: NotifierContext,
): NotifierAdapter {
  return {
    async send(notification, signal) {
      const url = parseUrl(resolve(definition.url), definition.allowPrivate === true)
      const secret = definition.secret === undefined ? undefined : resolve(definition.secret)
      const body = jsonOf(notification)
      // Names may hold any letter, headers may not.
      const id = encodeURIComponent(notification.id)
      const failure = await tryAgain(clock, signal, async () => {
        const addresses = await addressesOf(url, lookup)
        if (addresses.length === 0) return { done: false, why: 'its name has no address', again: true }
        const refused = definition.allowPrivate === true ? undefined : addresses.find((one) => !isPublicAddress(one))
        if (refused !== undefined) throw refuse(url, `${refused} is not a public address`)
        const timestamp = Math.floor(clock.now().getTime() / 1000)
        const headers = {
          'content-type': 'application/json; charset=utf-8',
          'content-length': String(Buffer.byteLength(body)),
          'user-agent': 'sluice',
          'webhook-id': id,
          'webhook-timestamp': String(timestamp),
          ...(secret === undefined ? {} : { 'webhook-signature': signatureOf(secret, id, timestamp, body) }),
        }
        return post(url, addresses[0] as string, headers, body, signal)
      })
      if (failure !== undefined)
        throw sluiceError('Notification.Failed', { kind: 'webhook', to: url.origin, ...failure })
    },
  }
}

/**
 * The signature header's value.
 *
 * @example signatureOf('whsec_c2VjcmV0', 'id', 1, '{}') // 'v1,…'
 * @param secret text, or base64 after `whsec_`
 */
export function signatureOf(secret: string, id: string, timestamp: number, body: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret)
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

/** Only the origin is ever shown: the rest of a webhook's address is often its secret. */
function refuse(url: Pick<URL, 'origin'>, why: string): Error {
  return sluiceError('Notification.Refused', { url: url.origin, why })
}

function parseUrl(text: string, allowPrivate: boolean): URL {
  // The WHATWG parser turns 0x7f.1, 2130706433 and 0177.0.0.1 into 127.0.0.1, which is then checked as such.
  if (!URL.canParse(text)) throw refuse({ origin: 'the given address' }, 'it is not a URL')
  const url = new URL(text)
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:'))
    throw refuse({ origin: `${url.protocol}//${url.host}` }, 'only https is allowed')
  if (url.username !== '' || url.password !== '') throw refuse(url, 'it must not hold a user or a password')
  return url
}

async function addressesOf(url: URL, lookup: NonNullable<NotifierContext['lookup']>): Promise<readonly string[]> {
  const host = hostOf(url)
  if (isIP(host) !== 0) return [host]
  try {
    return await lookup(host)
  } catch {
    return []
  }
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}

async function systemAddresses(host: string): Promise<readonly string[]> {
  return (await systemLookup(host, { all: true, verbatim: true })).map(({ address }) => address)
}

function post(
  url: URL,
  address: string,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<Try> {
  const host = hostOf(url)
  const options: RequestOptions = {
    method: 'POST',
    host: address,
    port: url.port === '' ? undefined : Number(url.port),
    path: `${url.pathname}${url.search}`,
    headers: { host: url.host, ...headers },
    // The certificate must be the name's, though the connection is to the address.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    agent: false,
    timeout: timeoutMs,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  }
  return new Promise((settle) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(options, (response) => {
      const status = response.statusCode ?? 0
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxResponseBytes) response.destroy()
      })
      response.on('error', () => {})
      response.on('close', () => settle(outcome(status)))
    })
    request.on('timeout', () => request.destroy(new TypeError('no answer in time')))
    request.on('error', (error: NodeJS.ErrnoException) =>
      settle({ done: false, why: error.code ?? error.message, again: true }),
    )
    request.end(body)
  })
}

function outcome(status: number): Try {
  if (status >= 200 && status < 300) return { done: true }
  if (status >= 300 && status < 400)
    return { done: false, why: `it answered ${status}, and redirects are not followed`, again: false }
  return { done: false, why: `it answered ${status}`, again: status >= 500 || [408, 425, 429].includes(status) }
}
