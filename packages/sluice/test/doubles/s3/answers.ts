/** S3's answers as XML, and the pages of its listings. */
import { type Bucket, byBytes, S3Refusal, type Version } from './bucket.ts'

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/'

/** Text in XML. A character that XML 1.0 has not makes the answer unreadable, as on S3: that is what encoding-type is for. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (one) => `&${{ '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot' }[one]};`)
}

/** An element of elements or of text; undefined ones are left out. @example element('Error', { Code: 'NoSuchKey' }) */
export function element(
  name: string,
  children: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const inner = Object.entries(children).map(([key, value]) =>
    value === undefined ? '' : `<${key}>${escapeXml(String(value))}</${key}>`,
  )
  return `<${name}>${inner.join('')}</${name}>`
}

/** A whole document. */
export function xmlDocument(name: string, inner: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${name} xmlns="${namespace}">${inner}</${name}>`
}

/** The text of an element; undefined where there is none. */
export function textOf(xml: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  return found?.replace(/&(amp|lt|gt|quot|apos|#(\d+)|#x([\da-f]+));/gi, (_, entity: string, decimal, hex) =>
    decimal !== undefined
      ? String.fromCodePoint(Number(decimal))
      : hex !== undefined
        ? String.fromCodePoint(Number.parseInt(hex, 16))
        : { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }[entity.toLowerCase() as 'amp'],
  )
}

/** One thing of a listing: an object, or what several have before the delimiter. */
type Listed = { readonly version: Version } | { readonly prefix: string }

const nameOf = (listed: Listed): string => ('version' in listed ? listed.version.key : listed.prefix)

function grouped(versions: readonly Version[], prefix: string, delimiter: string | null): readonly Listed[] {
  const found: Listed[] = []
  const prefixes = new Set<string>()
  for (const version of versions) {
    if (!version.key.startsWith(prefix)) continue
    const at = delimiter === null || delimiter === '' ? -1 : version.key.indexOf(delimiter, prefix.length)
    if (at < 0) found.push({ version })
    else {
      const common = version.key.slice(0, at + delimiter!.length)
      if (!prefixes.has(common)) found.push({ prefix: common })
      prefixes.add(common)
    }
  }
  return found
}

/** What a listing is asked for. */
interface Asked {
  readonly prefix: string
  readonly delimiter: string | null
  readonly limit: number
  readonly encode: (text: string) => string
  readonly about: string
}

function asked(query: URLSearchParams): Asked {
  const encoding = query.get('encoding-type')
  if (encoding !== null && encoding !== 'url')
    throw new S3Refusal(400, 'InvalidArgument', 'Invalid Encoding Method specified in Request')
  // As a form's values: a space is a plus.
  const encode = (text: string): string =>
    encoding === 'url' ? encodeURIComponent(text).replaceAll('%20', '+').replaceAll('%2F', '/') : text
  const limit = Math.min(1000, Number(query.get('max-keys') ?? query.get('max-uploads') ?? 1000))
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter')]
  const about = element('x', {
    Prefix: encode(prefix),
    Delimiter: delimiter === null ? undefined : encode(delimiter),
    MaxKeys: limit,
    EncodingType: encoding ?? undefined,
  })
  return { prefix, delimiter, limit, encode, about: about.slice('<x>'.length, -'</x>'.length) }
}

const tokenOf = (name: string): string => Buffer.from(name).toString('base64url')
const ofToken = (token: string): string => Buffer.from(token, 'base64url').toString()

const commonPrefix = (prefix: string): string => element('CommonPrefixes', { Prefix: prefix })

/** ListObjectsV2. @param show Which of the objects there are it shows, in which order: a store whose listings lag shows others. */
export function listObjects(
  name: string,
  bucket: Bucket,
  query: URLSearchParams,
  show: (versions: readonly Version[]) => readonly Version[],
): string {
  const { prefix, delimiter, limit, encode, about } = asked(query)
  const token = query.get('continuation-token')
  const after = token === null ? (query.get('start-after') ?? '') : ofToken(token)
  const all = grouped(show(bucket.current()), prefix, delimiter).filter((listed) => byBytes(nameOf(listed), after) > 0)
  const page = all.slice(0, limit)
  const isTruncated = all.length > page.length
  const contents = page.map((listed) =>
    'prefix' in listed
      ? commonPrefix(encode(listed.prefix))
      : element('Contents', {
          Key: encode(listed.version.key),
          LastModified: listed.version.modifiedAt.toISOString(),
          ETag: listed.version.etag,
          Size: listed.version.bytes.length,
          StorageClass: 'STANDARD',
        }),
  )
  const next = isTruncated ? tokenOf(nameOf(page.at(-1)!)) : undefined
  const head = element('x', {
    Name: name,
    KeyCount: page.length,
    IsTruncated: isTruncated,
    NextContinuationToken: next,
  })
  return xmlDocument('ListBucketResult', head.slice(3, -4) + about + contents.join(''))
}

/** ListObjectVersions. */
export function listVersions(
  name: string,
  bucket: Bucket,
  query: URLSearchParams,
  show: (versions: readonly Version[]) => readonly Version[],
): string {
  const { prefix, delimiter, limit, encode, about } = asked(query)
  const [afterKey, afterId] = [query.get('key-marker') ?? '', query.get('version-id-marker')]
  const listed = grouped(show(bucket.versions()), prefix, delimiter)
  const at = listed.findIndex((one) => 'version' in one && one.version.key === afterKey && one.version.id === afterId)
  const all = at >= 0 ? listed.slice(at + 1) : listed.filter((one) => byBytes(nameOf(one), afterKey) > 0)
  const page = all.slice(0, limit)
  const isTruncated = all.length > page.length
  const last = page.at(-1)
  const contents = page.map((one) => {
    if ('prefix' in one) return commonPrefix(encode(one.prefix))
    const { key, id, etag, bytes, modifiedAt, isMarker } = one.version
    const common = {
      Key: encode(key),
      VersionId: id,
      IsLatest: bucket.isLatest(one.version),
      LastModified: modifiedAt.toISOString(),
    }
    return isMarker
      ? element('DeleteMarker', common)
      : element('Version', { ...common, ETag: etag, Size: bytes.length, StorageClass: 'STANDARD' })
  })
  const head = element('x', {
    Name: name,
    IsTruncated: isTruncated,
    NextKeyMarker: isTruncated && last !== undefined ? encode(nameOf(last)) : undefined,
    NextVersionIdMarker: isTruncated && last !== undefined && 'version' in last ? last.version.id : undefined,
  })
  return xmlDocument('ListVersionsResult', head.slice(3, -4) + about + contents.join(''))
}

/** ListMultipartUploads, on one page. */
export function listUploads(name: string, bucket: Bucket, query: URLSearchParams): string {
  const { prefix, encode, about } = asked(query)
  const uploads = [...bucket.uploads.values()]
    .filter(({ key }) => key.startsWith(prefix))
    .map(({ id, key, startedAt }) =>
      element('Upload', { Key: encode(key), UploadId: id, Initiated: startedAt.toISOString() }),
    )
  return xmlDocument(
    'ListMultipartUploadsResult',
    element('x', { Bucket: name, IsTruncated: false }).slice(3, -4) + about + uploads.join(''),
  )
}
