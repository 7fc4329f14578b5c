/**
 * Storage in a bucket. An object is there whole or not at all; a condition decides between two writers, and each writing has a token, so that one whose
 * answer was lost is recognised by what is there.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readFile, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { assert, sluiceError } from '../../base/errors.ts'
import { sha256 } from '../../base/json.ts'
import { pathParts } from '../path.ts'
import type { Storage, StoredObject } from '../storage.ts'
import type { S3Bucket } from './client.ts'
import { leftoverUploads } from './leftovers.ts'
import { completeListing, listFolders, listObjects } from './list.ts'
import { type PartSizes, partSizes, putFileInParts } from './parts.ts'
import { headOf, metadataNames, type PlaceOptions, type PutOnce, placeObject, putBytes } from './place.ts'
import type { Spool } from './spool.ts'

/** What storage in a bucket is made of. */
export interface S3StorageOptions {
  /** Where its objects are in the bucket, without slashes around it. */
  readonly prefix: string
  /** Where they come to on this machine. */
  readonly spool: Spool
  readonly sizes?: PartSizes
}

/** S3's limit of a key, in bytes. */
const longestKey = 1024

/** So many tags of own objects are remembered: each saves a question when it is written again, and is looked for in listings. */
const remembered = 1000

/**
 * Opens storage below a prefix of a bucket; no request is made.
 *
 * @example const storage = s3Storage(openBucket('shop', {}, systemClock), { prefix: 'lake', spool })
 * @throws `Storage.UnsafePath` and the errors of 456x from every operation
 */
export function s3Storage(bucket: S3Bucket, { prefix, spool, sizes = partSizes }: S3StorageOptions): Storage {
  const base = prefix === '' ? '' : `${prefix}/`
  /** By path, the tag of what this process wrote there last, the oldest first. */
  const written = new Map<string, string>()

  const keyAt = (path: string): string => {
    if (pathParts(path).length === 0) throw sluiceError('Storage.UnsafePath', { path, why: 'it names no object' })
    const key = base + path
    if (Buffer.byteLength(key) > longestKey)
      throw sluiceError('Storage.UnsafePath', { path, why: `its key is longer than ${longestKey} bytes` })
    return key
  }
  const below = (path: string): string => (pathParts(path).length === 0 ? '' : `${path}/`)

  const place = async (path: string, options: Omit<PlaceOptions, 'expected'>, put: PutOnce): Promise<boolean> => {
    const tag = await placeObject(bucket, keyAt(path), { ...options, expected: written.get(path) }, put)
    written.delete(path)
    if (tag === undefined) return false
    written.set(path, tag)
    if (written.size > remembered) written.delete(written.keys().next().value as string)
    return true
  }

  const put = async (path: string, content: string | Uint8Array, mode: 'create' | 'replace'): Promise<boolean> => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    const digest = sha256(bytes)
    return place(path, { sha256: digest, mode }, putBytes(bucket, keyAt(path), bytes, digest))
  }

  const stat = async (path: string): Promise<StoredObject | undefined> => {
    const found = await headOf(bucket, keyAt(path))
    if (found === undefined) return undefined
    return { path, bytes: found.bytes, identity: found.etag, modifiedAt: found.modifiedAt }
  }

  return {
    async read(path) {
      const { GetObjectCommand } = bucket.sdk
      const key = keyAt(path)
      // The bytes belong to the request: an answer that breaks off is asked for again.
      const answer = await bucket.ask(key, async (client) => {
        const { Body, Metadata, ContentLength } = await client.send(
          new GetObjectCommand({ Bucket: bucket.name, Key: key }),
        )
        return { bytes: (await Body?.transformToByteArray()) ?? new Uint8Array(), Metadata, ContentLength }
      })
      if (answer === undefined) return undefined
      const said = answer.Metadata?.[metadataNames.sha256]
      if (said !== undefined && said !== sha256(answer.bytes))
        throw sluiceError('Storage.ForeignWriter', {
          path: `s3://${bucket.name}/${key}`,
          why: 'its bytes are not those that it was written with',
        })
      return answer.bytes
    },

    async write(path, bytes) {
      await put(path, bytes, 'replace')
    },

    create: async (path, bytes) => put(path, bytes, 'create'),

    async adopt(localFile, path) {
      const key = keyAt(path)
      const source = await lstat(localFile).catch(() => undefined)
      if (source?.isFile() !== true)
        throw sluiceError('Storage.UnsafePath', { path: localFile, why: 'it is not a regular file' })
      const isSmall = source.size <= sizes.upload
      const bytes = isSmall ? await readFile(localFile) : undefined
      const digest = bytes === undefined ? await digestOf(localFile) : sha256(bytes)
      const upload =
        bytes === undefined
          ? putFileInParts(bucket, key, { file: localFile, bytes: source.size }, sizes.upload)
          : putBytes(bucket, key, bytes, digest)
      await place(path, { sha256: digest, mode: 'replace' }, upload)
      const adopted = await stat(path)
      assert(adopted !== undefined, 'what was put is there')
      await rm(localFile)
      return adopted
    },

    async materialise(path) {
      const key = keyAt(path)
      const local = await spool.bring(bucket, { key })
      if (local === undefined)
        throw sluiceError('Storage.Failed', { path: `s3://${bucket.name}/${key}`, detail: 'there is no such object' })
      return local
    },

    stat,

    list: async (path) =>
      completeListing(bucket, () => listObjects(bucket, base, below(path)), { base, below: below(path), written }),

    folders: async (path) => listFolders(bucket, base + below(path)),

    async remove(path) {
      const { DeleteObjectCommand } = bucket.sdk
      const key = keyAt(path)
      await bucket.ask(key, (client) => client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: key })))
      written.delete(path)
    },

    removeLeftovers: (options) => leftoverUploads(bucket, base, options),
  }
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
