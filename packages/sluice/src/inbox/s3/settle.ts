/** Moves delivered objects: copied under a free name, looked at, then deleted if they are still what was copied. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { posix } from 'node:path'
import { crashPoint } from '../../base/crash.ts'
import { sluiceError } from '../../base/errors.ts'
import { sha256 } from '../../base/json.ts'
import { classifyError, failureOf } from '../../storage/s3/classify-error.ts'
import { type S3Bucket, tries } from '../../storage/s3/client.ts'
import { putCopyInParts } from '../../storage/s3/parts.ts'
import { headOf, type ObjectHead, placeObject, putBytes } from '../../storage/s3/place.ts'
import type { Spool } from '../../storage/s3/spool.ts'
import type { Move } from '../inbox.ts'
import { deliveryOf, folderKey } from './list.ts'

const { basename, extname } = posix

/** The crash points of a move; names are permanent. */
const points = { archive: 'sources.archive', error: 'sources.refuse' } as const

/** Where objects are moved, and by what. */
export interface SettleContext {
  readonly bucket: S3Bucket
  readonly spool: Spool
  /** What paths are relative to. */
  readonly base: string
  /** The most that is copied in one request. */
  readonly copy: number
}

interface Source {
  readonly key: string
  readonly head: ObjectHead
  readonly sha256: string
}

/** Gives all objects their new names with their reports, then takes the old ones away. */
export async function settleObjects(context: SettleContext, moves: readonly Move[]): Promise<void> {
  const { bucket, base } = context
  const named: { readonly source: Source; readonly point: string }[] = []
  for (const { delivery, sha256: content, to, folder, reports = [] } of moves) {
    const place = folderKey(base, folder)
    const key = base + delivery.path
    const head = await headOf(bucket, key)
    if (head === undefined || deliveryOf({ key, ...head }, base).identity !== delivery.identity) continue
    const source = { key, head, sha256: content }
    crashPoint(`${points[to]}.before_move`)
    const target = await claimName(context, source, place)
    if (target === undefined) continue
    crashPoint(`${points[to]}.after_link`)
    for (const { ending, text } of reports) await putObject(bucket, `${target}${ending}`, Buffer.from(text))
    named.push({ source, point: points[to] })
  }
  for (const { source, point } of named) {
    await removeIfSame(bucket, source)
    crashPoint(`${point}.after_move`)
  }
}

/** Puts bytes whole, in place of what is there. @example await putObject(bucket, 'inbox/x.csv', bytes) */
export async function putObject(bucket: S3Bucket, key: string, bytes: Uint8Array): Promise<void> {
  const digest = sha256(bytes)
  await placeObject(bucket, key, { sha256: digest, mode: 'replace' }, putBytes(bucket, key, bytes, digest))
}

/** Gives the object a free name in the folder, without ever overwriting one; undefined where it is no longer what was looked at. */
async function claimName(context: SettleContext, source: Source, folder: string): Promise<string | undefined> {
  const name = basename(source.key)
  const ending = extname(name)
  const stem = name.slice(0, name.length - ending.length)
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${stem}.${number}${ending}`
    // A name that would be too long with its report's ending gives way to its digest, as on disk.
    const fits = Buffer.byteLength(candidate) <= 235
    const to = folder + (fits ? candidate : `${source.sha256.slice(0, 32)}.${number}${ending.slice(0, 16)}`)
    const copied = await copyObject(context, source, to)
    if (copied === 'done') return to
    if (copied === 'changed') return undefined
  }
}

/** `taken`: another content has the name. A copy whose answer was lost is found by its content. */
async function copyObject(context: SettleContext, source: Source, to: string): Promise<'done' | 'taken' | 'changed'> {
  const { bucket } = context
  for (let attempt = 1; ; attempt++) {
    // Not every store honours a condition on a copy: what is there is looked at before, and after.
    const found = await headOf(bucket, to)
    if (found !== undefined) return (await isSame(context, source, to, found)) ? 'done' : 'taken'
    if (attempt > 1) {
      const now = await headOf(bucket, source.key)
      if (now?.etag !== source.head.etag || now.versionId !== source.head.versionId) return 'changed'
    }
    if (attempt > tries)
      throw sluiceError('Storage.ForeignWriter', {
        path: `s3://${bucket.name}/${to}`,
        why: 'a copy to it is gone at once',
      })
    try {
      await copyOnce(context, source, to)
    } catch (error) {
      const failure = failureOf(error)
      const isPassing = ['unclear', 'throttled', 'skew', 'precondition', 'conflict', 'missing'].includes(failure)
      if (!isPassing || attempt === tries) throw classifyError(error, bucket, to)
      await bucket.pause(attempt)
    }
  }
}

async function copyOnce(
  { bucket, copy }: SettleContext,
  { key, head, sha256: content }: Source,
  to: string,
): Promise<void> {
  const { CopyObjectCommand } = bucket.sdk
  const version = head.versionId === undefined ? '' : `?versionId=${encodeURIComponent(head.versionId)}`
  const path = [bucket.name, ...key.split('/')].map(encodeURIComponent).join('/')
  const from = { CopySource: path + version, CopySourceIfMatch: head.etag }
  if (head.bytes > copy) {
    const put = putCopyInParts(bucket, to, { ...from, bytes: head.bytes }, copy)
    await placeObject(bucket, to, { sha256: content, mode: 'create' }, (condition, own) =>
      put(condition, { ...head.metadata, ...own }),
    )
    return
  }
  await bucket.once((client) =>
    client.send(new CopyObjectCommand({ Bucket: bucket.name, Key: to, IfNoneMatch: '*', ...from })),
  )
}

/** Whether what has the name is the same content: by its tag where that is a digest, else by its bytes. */
async function isSame(
  { bucket, spool }: SettleContext,
  { head, sha256: content }: Source,
  key: string,
  found: ObjectHead,
): Promise<boolean> {
  if (found.bytes !== head.bytes) return false
  if (found.etag === head.etag || found.sha256 === content) return true
  await using local = await spool.bring(bucket, { key, etag: found.etag, versionId: found.versionId })
  if (local === undefined) return false
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(local.file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex') === content
}

/** A marker hides it, where the bucket keeps versions. What came in its place meanwhile stays. */
async function removeIfSame(bucket: S3Bucket, { key, head }: Source): Promise<void> {
  const now = await headOf(bucket, key)
  if (now === undefined || now.etag !== head.etag || now.versionId !== head.versionId) return
  const { DeleteObjectCommand } = bucket.sdk
  for (let attempt = 1; ; attempt++) {
    try {
      await bucket.once((client) =>
        client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: key, IfMatch: head.etag })),
      )
      return
    } catch (error) {
      const failure = failureOf(error)
      if (failure === 'precondition' || failure === 'missing') {
        // Said of what is still there, it is another one's moment.
        if ((await headOf(bucket, key))?.etag !== head.etag) return
      } else if (!['unclear', 'throttled', 'skew', 'conflict'].includes(failure))
        throw classifyError(error, bucket, key)
      if (attempt === tries) throw classifyError(error, bucket, key)
      await bucket.pause(attempt)
    }
  }
}
