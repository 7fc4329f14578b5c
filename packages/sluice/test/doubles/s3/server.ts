/**
 * An S3 endpoint in this process: path style, on a free port of the loopback. Its preconditions are exact, and it fails as it is asked to.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { element, listObjects, listUploads, listVersions, textOf, xmlDocument } from './answers.ts'
import { type About, Bucket, S3Refusal, type Sizes, s3Sizes, sameTag, type Version } from './bucket.ts'

/** A request, as faults are chosen by it. */
export interface S3Request {
  /** From 1, over all requests. */
  readonly number: number
  /** As the API calls it: `PutObject`. */
  readonly operation: string
  readonly bucket: string
  readonly key: string
}

/**
 * How a request fails. `lost`: it is done, and its answer never arrives. `cut`: half of what is read arrives, or nothing of what is written is
 * taken. `throttled` is S3's 503 SlowDown. The others are S3's refusals.
 */
export type S3Fault = 'lost' | 'cut' | 'throttled' | keyof typeof refusals

const refusals = {
  conflict: new S3Refusal(409, 'ConditionalRequestConflict', 'A conflicting conditional operation is in progress'),
  precondition: new S3Refusal(412, 'PreconditionFailed', 'At least one of the pre-conditions did not hold'),
  internal: new S3Refusal(500, 'InternalError', 'We encountered an internal error. Please try again.'),
  expired: new S3Refusal(400, 'ExpiredToken', 'The provided token has expired.'),
  skewed: new S3Refusal(403, 'RequestTimeTooSkewed', 'The difference between the times is too large.'),
  denied: new S3Refusal(403, 'AccessDenied', 'Access Denied'),
}
const slowDown = new S3Refusal(503, 'SlowDown', 'Please reduce your request rate.')

/** What the endpoint is. */
export interface S3ServerOptions {
  /** Its buckets, by name. @default one, `lake`, without versioning */
  readonly buckets?: { readonly [name: string]: 'off' | 'on' | 'suspended' }
  /** Where its buckets are. @default 'us-east-1' */
  readonly region?: string
  readonly sizes?: Partial<Sizes>
}

/** An endpoint that runs. */
export interface S3Server extends AsyncDisposable {
  readonly endpoint: string
  readonly buckets: ReadonlyMap<string, Bucket>
  /** All that were received. */
  readonly requests: readonly S3Request[]
  /** Chooses how a request fails; undefined: it does not. */
  fault: ((request: S3Request) => S3Fault | undefined) | undefined
  /** What a listing shows of what there is. */
  show: (versions: readonly Version[]) => readonly Version[]
  /** How far its clock is from this machine's. */
  clockOffsetMs: number
}

interface Exchange {
  readonly request: S3Request
  readonly headers: IncomingMessage['headers']
  readonly query: URLSearchParams
  readonly bucket: Bucket
  readonly body: Buffer
  readonly server: S3Server
}

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

/**
 * Starts an endpoint.
 *
 * @example
 * await using s3 = await startS3Server({ buckets: { lake: 'on' } })
 * s3.fault = ({ number }) => (number === 3 ? 'lost' : undefined)
 */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const { buckets = { lake: 'off' }, region = 'us-east-1' } = options
  const requests: S3Request[] = []
  const made = new Map(
    Object.entries(buckets).map(([name, versioning]) => [
      name,
      new Bucket(versioning, { ...s3Sizes, ...options.sizes }),
    ]),
  )
  const http = createServer((incoming, outgoing) => void answer(incoming, outgoing))
  http.keepAliveTimeout = 30_000
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const server: S3Server = {
    endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    buckets: made,
    requests,
    fault: undefined,
    show: (versions) => versions,
    clockOffsetMs: 0,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', server.endpoint)
    const [, name = '', ...rest] = url.pathname.split('/').map(decodeURIComponent)
    const key = rest.join('/')
    const request: S3Request = {
      number: requests.length + 1,
      operation: operationOf(incoming, key, url.searchParams),
      bucket: name,
      key,
    }
    requests.push(request)
    const fault = server.fault?.(request)
    const chunks: Buffer[] = []
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
    } catch {
      return
    }
    const isHead = incoming.method === 'HEAD'
    try {
      if (fault === 'throttled') throw slowDown
      if (fault !== undefined && fault in refusals) throw refusals[fault as keyof typeof refusals]
      if (fault === 'cut' && request.operation !== 'GetObject') return void incoming.socket.destroy()
      const bucket = made.get(name)
      authorise(incoming, region, server)
      if (bucket === undefined)
        throw new S3Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist', { BucketName: name })
      const body = Buffer.concat(chunks)
      checkDigests(incoming.headers, body)
      const done = perform({
        request,
        headers: incoming.headers,
        query: url.searchParams,
        bucket,
        body,
        server,
      })
      if (fault === 'lost') return void incoming.socket.destroy()
      send(outgoing, done, { isHead, server, isCut: fault === 'cut' })
    } catch (error) {
      const refusal = error instanceof S3Refusal ? error : new S3Refusal(500, 'InternalError', String(error))
      const { status, code, message, more } = refusal
      const body = xmlDocument('Error', element('x', { Code: code, Message: message, ...more }).slice(3, -4)).replace(
        / xmlns="[^"]*"/,
        '',
      )
      send(outgoing, { status, body, headers: { 'content-type': 'application/xml' } }, { isHead, server })
    }
  }

  return server
}

function send(
  outgoing: ServerResponse,
  { status, headers = {}, body = '' }: Answer,
  { isHead, server, isCut = false }: { readonly isHead: boolean; readonly server: S3Server; readonly isCut?: boolean },
): void {
  const bytes = Buffer.from(body as string)
  const length = headers['content-length'] ?? String(bytes.length)
  const date = new Date(Date.now() + server.clockOffsetMs).toUTCString()
  outgoing.writeHead(status, { date, 'x-amz-request-id': 'double', ...headers, 'content-length': length })
  if (isHead) outgoing.end()
  else if (isCut) outgoing.write(bytes.subarray(0, bytes.length / 2), () => outgoing.destroy())
  else outgoing.end(bytes)
}

function authorise({ headers }: IncomingMessage, region: string, server: S3Server): void {
  const scope = /Credential=([^/]+)\/\d{8}\/([^/]+)\/s3\/aws4_request/.exec(headers.authorization ?? '')
  if (scope === null) throw new S3Refusal(403, 'AccessDenied', 'Access Denied')
  const [, keyId, asked] = scope
  if (keyId === 'UNKNOWN')
    throw new S3Refusal(403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.')
  if (keyId === 'EXPIRED') throw refusals.expired
  const stamp = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(headers['x-amz-date']))
  const at =
    stamp === null ? Number.NaN : Date.UTC(+stamp[1]!, +stamp[2]! - 1, +stamp[3]!, +stamp[4]!, +stamp[5]!, +stamp[6]!)
  if (!(Math.abs(at - Date.now() - server.clockOffsetMs) < 15 * 60_000))
    throw new S3Refusal(
      403,
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
    )
  if (asked !== region)
    throw new S3Refusal(
      400,
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; the region '${asked}' is wrong; expecting '${region}'`,
      { Region: region },
    )
}

function checkDigests(headers: IncomingMessage['headers'], body: Buffer): void {
  if (String(headers['x-amz-content-sha256']).startsWith('STREAMING'))
    throw new S3Refusal(501, 'NotImplemented', 'The double takes no chunked bodies')
  const said = { md5: headers['content-md5'], sha256: headers['x-amz-checksum-sha256'] }
  for (const [algorithm, digest] of Object.entries(said))
    if (digest !== undefined && digest !== createHash(algorithm).update(body).digest('base64'))
      throw new S3Refusal(400, 'BadDigest', `The ${algorithm} you specified did not match what we received.`)
}

function operationOf({ method, headers }: IncomingMessage, key: string, query: URLSearchParams): string {
  const isCopy = headers['x-amz-copy-source'] !== undefined
  if (key === '') {
    if (query.has('versions')) return 'ListObjectVersions'
    if (query.has('uploads')) return 'ListMultipartUploads'
    if (query.has('versioning')) return 'GetBucketVersioning'
    return method === 'GET' ? 'ListObjectsV2' : `${method}Bucket`
  }
  if (method === 'GET') return query.has('uploadId') ? 'ListParts' : 'GetObject'
  if (method === 'HEAD') return 'HeadObject'
  if (method === 'PUT' && query.has('uploadId')) return isCopy ? 'UploadPartCopy' : 'UploadPart'
  if (method === 'PUT') return isCopy ? 'CopyObject' : 'PutObject'
  if (method === 'POST') return query.has('uploads') ? 'CreateMultipartUpload' : 'CompleteMultipartUpload'
  return query.has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject'
}

const operations: { readonly [name: string]: (exchange: Exchange) => Answer } = {
  ListObjectsV2: ({ request, bucket, query, server }) => xml(listObjects(request.bucket, bucket, query, server.show)),
  ListObjectVersions: ({ request, bucket, query, server }) =>
    xml(listVersions(request.bucket, bucket, query, server.show)),
  ListMultipartUploads: ({ request, bucket, query }) => xml(listUploads(request.bucket, bucket, query)),
  GetBucketVersioning: ({ bucket }) =>
    xml(
      xmlDocument(
        'VersioningConfiguration',
        bucket.versioning === 'off'
          ? ''
          : element('x', { Status: bucket.versioning === 'on' ? 'Enabled' : 'Suspended' }).slice(3, -4),
      ),
    ),
  GetObject: (exchange) => read(exchange),
  HeadObject: (exchange) => {
    const answer = read(exchange)
    return { ...answer, headers: { ...answer.headers, 'content-length': String((answer.body as Buffer).length) } }
  },
  PutObject: ({ request, headers, bucket, body }) => {
    const version = bucket.put(request.key, body, aboutOf(headers), conditionsOf(headers))
    return { status: 200, headers: { etag: version.etag, ...versionOf(bucket, version) } }
  },
  CopyObject: ({ request, headers, bucket, server }) => {
    const from = sourceOf(headers, server)
    const { metadata, contentType } = from
    const about = headers['x-amz-metadata-directive'] === 'REPLACE' ? aboutOf(headers) : { metadata, contentType }
    const version = bucket.copy(from, request.key, about, conditionsOf(headers))
    return copied('CopyObjectResult', version.etag, version.modifiedAt, versionOf(bucket, version))
  },
  DeleteObject: ({ request, headers, bucket, query }) => {
    const gone = bucket.remove(request.key, query.get('versionId') ?? undefined, conditionsOf(headers))
    return {
      status: 204,
      headers: gone?.isMarker === true ? { 'x-amz-delete-marker': 'true', 'x-amz-version-id': gone.id } : {},
    }
  },
  CreateMultipartUpload: ({ request, headers, bucket }) => {
    const id = bucket.begin(request.key, aboutOf(headers), new Date())
    return xml(
      xmlDocument(
        'InitiateMultipartUploadResult',
        element('x', { Bucket: request.bucket, Key: request.key, UploadId: id }).slice(3, -4),
      ),
    )
  },
  UploadPart: ({ request, bucket, query, body }) => {
    const etag = bucket.part(request.key, query.get('uploadId')!, Number(query.get('partNumber')), body)
    return { status: 200, headers: { etag } }
  },
  UploadPartCopy: ({ request, headers, bucket, query, server }) => {
    const from = sourceOf(headers, server)
    const range = /^bytes=(\d+)-(\d+)$/.exec(String(headers['x-amz-copy-source-range'] ?? ''))
    const bytes = range === null ? from.bytes : from.bytes.subarray(Number(range[1]), Number(range[2]) + 1)
    const etag = bucket.part(request.key, query.get('uploadId')!, Number(query.get('partNumber')), Buffer.from(bytes))
    return copied('CopyPartResult', etag, new Date(), {})
  },
  CompleteMultipartUpload: ({ request, headers, bucket, query, body }) => {
    const parts = [...body.toString().matchAll(/<Part>([\s\S]*?)<\/Part>/g)].map(([, part]) => ({
      number: Number(textOf(part!, 'PartNumber')),
      etag: textOf(part!, 'ETag') ?? '',
    }))
    const version = bucket.complete(request.key, query.get('uploadId')!, parts, conditionsOf(headers))
    return xml(
      xmlDocument(
        'CompleteMultipartUploadResult',
        element('x', { Bucket: request.bucket, Key: request.key, ETag: version.etag }).slice(3, -4),
      ),
      versionOf(bucket, version),
    )
  },
  AbortMultipartUpload: ({ request, bucket, query }) => {
    bucket.uploads.delete(bucket.upload(request.key, query.get('uploadId')!).id)
    return { status: 204 }
  },
}

function perform(exchange: Exchange): Answer {
  const operation = operations[exchange.request.operation]
  if (operation === undefined)
    throw new S3Refusal(501, 'NotImplemented', `The double does not know ${exchange.request.operation}`)
  return operation(exchange)
}

const xml = (body: string, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status: 200,
  body,
  headers: { 'content-type': 'application/xml', ...headers },
})

const copied = (name: string, etag: string, at: Date, headers: Readonly<Record<string, string>>): Answer =>
  xml(xmlDocument(name, element('x', { ETag: etag, LastModified: at.toISOString() }).slice(3, -4)), headers)

function read({ request, headers, bucket, query }: Exchange): Answer {
  const version = bucket.get(request.key, query.get('versionId') ?? undefined)
  const { bytes, etag, modifiedAt, metadata, contentType } = version
  const ifMatch = headers['if-match']
  if (ifMatch !== undefined && !sameTag(ifMatch, etag)) throw refusals.precondition
  const common = {
    etag,
    'last-modified': modifiedAt.toUTCString(),
    'accept-ranges': 'bytes',
    'content-type': contentType,
    ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
    ...versionOf(bucket, version),
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
  if (range === null) return { status: 200, headers: common, body: bytes }
  const from = Number(range[1])
  if (from >= bytes.length)
    throw new S3Refusal(416, 'InvalidRange', 'The requested range is not satisfiable', {
      ActualObjectSize: String(bytes.length),
    })
  const to = Math.min(bytes.length - 1, range[2] === '' ? bytes.length - 1 : Number(range[2]))
  const contentRange = { 'content-range': `bytes ${from}-${to}/${bytes.length}` }
  return { status: 206, headers: { ...common, ...contentRange }, body: bytes.subarray(from, to + 1) }
}

/** A bucket that never had versions says none. */
const versionOf = (bucket: Bucket, { id }: Version): Record<string, string> =>
  bucket.versioning === 'off' ? {} : { 'x-amz-version-id': id }

function aboutOf(headers: IncomingMessage['headers']): About {
  const metadata = Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith('x-amz-meta-') ? [[name.slice('x-amz-meta-'.length), String(value)] as const] : [],
  )
  return {
    metadata: Object.fromEntries(metadata),
    contentType: headers['content-type'] ?? 'application/octet-stream',
  }
}

function conditionsOf(headers: IncomingMessage['headers']): {
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
} {
  return { ifMatch: headers['if-match'], ifNoneMatch: headers['if-none-match'] }
}

function sourceOf(headers: IncomingMessage['headers'], { buckets }: S3Server): Version {
  const source = new URL(`/${String(headers['x-amz-copy-source']).replace(/^\//, '')}`, 'http://x')
  const [, name = '', ...rest] = source.pathname.split('/').map(decodeURIComponent)
  const bucket = buckets.get(name)
  if (bucket === undefined) throw new S3Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist')
  const version = bucket.get(rest.join('/'), source.searchParams.get('versionId') ?? undefined)
  const ifMatch = headers['x-amz-copy-source-if-match']
  if (ifMatch !== undefined && !sameTag(String(ifMatch), version.etag)) throw refusals.precondition
  return version
}
