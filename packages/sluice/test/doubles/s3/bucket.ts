/** A bucket in memory: objects with their versions, exact preconditions, uploads in parts. Nothing here knows of HTTP. */
import { createHash } from 'node:crypto'

/** One version of an object; a delete marker has no bytes. */
export interface Version {
  readonly key: string
  readonly id: string
  readonly etag: string
  readonly bytes: Buffer
  /** In whole seconds, as S3 says it. */
  readonly modifiedAt: Date
  readonly isMarker: boolean
  readonly metadata: Readonly<Record<string, string>>
  readonly contentType: string
}

/** What a request says must hold. */
export interface Conditions {
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
}

/** What is said of an object beside its bytes. */
export interface About {
  readonly metadata: Readonly<Record<string, string>>
  readonly contentType: string
}

interface Upload extends About {
  readonly id: string
  readonly key: string
  readonly startedAt: Date
  readonly parts: Map<number, { readonly bytes: Buffer; readonly etag: string }>
}

/** The sizes that S3 allows; a test that has no gigabytes gives smaller ones. */
export interface Sizes {
  readonly smallestPart: number
  readonly largestPut: number
  readonly largestCopy: number
}

/** S3's own. */
export const s3Sizes: Sizes = { smallestPart: 5 << 20, largestPut: 5 * 2 ** 30, largestCopy: 5 * 2 ** 30 }

/** What S3 answers in place of a result. */
export class S3Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly more: Readonly<Record<string, string>>
  constructor(status: number, code: string, message: string, more: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.more = more
  }
}

const md5 = (bytes: Uint8Array): Buffer => createHash('md5').update(bytes).digest()

/** A bucket. @example new Bucket('on').put('a', Buffer.from('x'), { metadata: {}, contentType: 'text/plain' }) */
export class Bucket {
  versioning: 'off' | 'on' | 'suspended'
  readonly sizes: Sizes
  readonly uploads = new Map<string, Upload>()
  /** By key, the newest first. */
  readonly #versions = new Map<string, Version[]>()
  #made = 0

  constructor(versioning: 'off' | 'on' | 'suspended', sizes: Sizes) {
    this.versioning = versioning
    this.sizes = sizes
  }

  /** All versions, by key, then the newest first. */
  versions(): readonly Version[] {
    return [...this.#versions.keys()].sort(byBytes).flatMap((key) => this.#versions.get(key) ?? [])
  }

  /** The objects as they are now. */
  current(): readonly Version[] {
    return this.versions().filter((version) => !version.isMarker && this.isLatest(version))
  }

  isLatest(version: Version): boolean {
    return this.#versions.get(version.key)?.[0] === version
  }

  find(key: string, id?: string): Version | undefined {
    const versions = this.#versions.get(key) ?? []
    return id === undefined ? versions[0] : versions.find((version) => version.id === id)
  }

  /** An object, or S3's refusal. */
  get(key: string, id?: string): Version {
    const found = this.find(key, id)
    if (found === undefined && id !== undefined)
      throw new S3Refusal(404, 'NoSuchVersion', 'The specified version does not exist.')
    if (found === undefined || (found.isMarker && id === undefined))
      throw new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.')
    if (found.isMarker) throw new S3Refusal(405, 'MethodNotAllowed', 'The specified method is not allowed.')
    return found
  }

  /** Whether a write may happen: an absent object, or one behind a delete marker, fulfils If-None-Match, and is a 404 for If-Match. */
  require(key: string, { ifMatch, ifNoneMatch }: Conditions): void {
    const found = this.find(key)
    const is = found === undefined || found.isMarker ? undefined : found
    if (ifNoneMatch !== undefined && ifNoneMatch !== '*')
      throw new S3Refusal(501, 'NotImplemented', 'A header you provided implies functionality that is not implemented')
    if (ifNoneMatch === '*' && is !== undefined) throw preconditionFailed('If-None-Match')
    if (ifMatch !== undefined && is === undefined)
      throw new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.')
    if (ifMatch !== undefined && !sameTag(ifMatch, is?.etag)) throw preconditionFailed('If-Match')
  }

  put(key: string, bytes: Buffer, about: About, conditions: Conditions = {}): Version {
    if (bytes.length > this.sizes.largestPut)
      throw new S3Refusal(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size')
    this.require(key, conditions)
    return this.#add({ key, bytes, ...about, etag: `"${md5(bytes).toString('hex')}"`, isMarker: false })
  }

  copy(from: Version, key: string, about: About, conditions: Conditions = {}): Version {
    if (from.bytes.length > this.sizes.largestCopy)
      throw new S3Refusal(
        400,
        'InvalidRequest',
        `The specified copy source is larger than the maximum allowable size for a copy source: ${this.sizes.largestCopy}`,
      )
    this.require(key, conditions)
    return this.#add({
      key,
      bytes: from.bytes,
      ...about,
      etag: `"${md5(from.bytes).toString('hex')}"`,
      isMarker: false,
    })
  }

  /** What was deleted: a marker where one came, the version that went. */
  remove(key: string, id: string | undefined, { ifMatch }: Conditions = {}): Version | undefined {
    const found = this.find(key, id)
    if (ifMatch !== undefined && (found === undefined || found.isMarker))
      throw new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.')
    if (ifMatch !== undefined && !sameTag(ifMatch, found?.etag)) throw preconditionFailed('If-Match')
    if (id !== undefined || this.versioning === 'off') {
      const left = (this.#versions.get(key) ?? []).filter((version) => version !== found)
      if (left.length > 0) this.#versions.set(key, left)
      else this.#versions.delete(key)
      return found
    }
    return this.#add({ key, bytes: Buffer.alloc(0), metadata: {}, contentType: '', etag: '', isMarker: true })
  }

  begin(key: string, about: About, now: Date): string {
    const id = `upload-${++this.#made}`
    this.uploads.set(id, { id, key, ...about, startedAt: now, parts: new Map() })
    return id
  }

  upload(key: string, id: string): Upload {
    const found = this.uploads.get(id)
    if (found === undefined || found.key !== key)
      throw new S3Refusal(404, 'NoSuchUpload', 'The specified multipart upload does not exist.')
    return found
  }

  part(key: string, id: string, number: number, bytes: Buffer): string {
    const upload = this.upload(key, id)
    if (!(number >= 1 && number <= 10_000))
      throw new S3Refusal(400, 'InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive')
    if (bytes.length > this.sizes.largestPut)
      throw new S3Refusal(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size')
    const etag = `"${md5(bytes).toString('hex')}"`
    upload.parts.set(number, { bytes, etag })
    return etag
  }

  complete(
    key: string,
    id: string,
    named: readonly { readonly number: number; readonly etag: string }[],
    conditions: Conditions,
  ): Version {
    const upload = this.upload(key, id)
    if (named.some(({ number }, at) => at > 0 && number <= named[at - 1]!.number))
      throw new S3Refusal(400, 'InvalidPartOrder', 'The list of parts was not in ascending order.')
    const parts = named.map(({ number, etag }) => {
      const part = upload.parts.get(number)
      if (part === undefined || !sameTag(etag, part.etag))
        throw new S3Refusal(400, 'InvalidPart', 'One or more of the specified parts could not be found.')
      return part
    })
    if (parts.length === 0) throw new S3Refusal(400, 'MalformedXML', 'The XML you provided was not well-formed')
    if (parts.slice(0, -1).some(({ bytes }) => bytes.length < this.sizes.smallestPart))
      throw new S3Refusal(400, 'EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size')
    this.require(key, conditions)
    const etag = `"${md5(Buffer.concat(parts.map((part) => md5(part.bytes)))).toString('hex')}-${parts.length}"`
    const { metadata, contentType } = upload
    this.uploads.delete(id)
    return this.#add({
      key,
      bytes: Buffer.concat(parts.map(({ bytes }) => bytes)),
      metadata,
      contentType,
      etag,
      isMarker: false,
    })
  }

  #add(version: Omit<Version, 'id' | 'modifiedAt'>): Version {
    const id = this.versioning === 'on' ? `v${String(++this.#made).padStart(8, '0')}` : 'null'
    const made: Version = { ...version, id, modifiedAt: new Date(Math.floor(Date.now() / 1000) * 1000) }
    const before = this.versioning === 'off' ? [] : (this.#versions.get(version.key) ?? [])
    // A suspended bucket replaces the version named null.
    this.#versions.set(version.key, [made, ...before.filter((other) => other.id !== id)])
    return made
  }
}

function preconditionFailed(condition: string): S3Refusal {
  return new S3Refusal(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
    Condition: condition,
  })
}

const bare = (etag: string): string => etag.replace(/^"|"$/g, '')

/** Tags are the same with and without their quotes. */
export function sameTag(one: string, other: string | undefined): boolean {
  return other !== undefined && bare(one) === bare(other)
}

/** S3 lists keys by their bytes in UTF-8. */
export function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}
