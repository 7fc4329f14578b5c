/** Finds delivered objects below a prefix, each once, with the identity that the bucket gives it. */
import type { ListObjectVersionsCommandOutput } from '@aws-sdk/client-s3'
import { sluiceError } from '../../base/errors.ts'
import type { S3Bucket } from '../../storage/s3/client.ts'
import { keyOf, pagesOf } from '../../storage/s3/list.ts'
import { inSeconds } from '../../storage/s3/place.ts'
import type { Delivery, PassedOver } from '../inbox.ts'
import { patternParts } from '../pattern.ts'
import { judge } from './judge.ts'

/** What makes a delivery that one: the id of its version; or, as declared of a bucket without versions, its tag, size and time. */
export type Identity = 'version' | 'content'

/** An object as a listing or its head tells of it. */
export interface Seen {
  readonly key: string
  readonly bytes: number
  readonly etag: string
  readonly modifiedAt: Date
  readonly versionId: string | undefined
}

/** What is known of an object as a delivery. @example deliveryOf(seen, 'shop/') */
export function deliveryOf({ key, bytes, etag, modifiedAt, versionId }: Seen, base: string): Delivery {
  // What was there before the bucket had versions is the one named null, until it is written again.
  const isVersion = versionId !== undefined && versionId !== 'null'
  const identity = isVersion ? versionId : `${etag}:${bytes}:${modifiedAt.getTime()}`
  return { path: key.slice(base.length), bytes, identity, modifiedAt }
}

/**
 * The objects below `base` that match.
 *
 * @example for await (const delivery of findObjects(bucket, { base: '', identity: 'version' }, 'inbox/*.csv')) …
 * @param passed is called once with each thing that nearly matches
 * @throws Source.Path, Storage.Unversioned
 */
export async function* findObjects(
  bucket: S3Bucket,
  { base, identity }: { readonly base: string; readonly identity: Identity },
  pattern: string,
  passed?: (thing: PassedOver) => void,
): AsyncIterable<Delivery> {
  const parts = patternParts(pattern)
  const prefix = base + plainFolders(parts)
  const found = new Map<string, Delivery>()
  const others = new Map<string, PassedOver['why']>()
  for await (const seen of identity === 'version' ? newestVersions(bucket, prefix) : objects(bucket, prefix)) {
    const names = seen.key.slice(base.length).split('/')
    // Marks of folders, and keys that are no paths.
    if (names.some((name) => name === '' || name === '.' || name === '..')) continue
    const verdict = judge(names, parts)
    if (verdict === 'delivery') found.set(seen.key, deliveryOf(seen, base))
    else if (verdict !== undefined) others.set(names.slice(0, verdict.names).join('/'), verdict.why)
  }
  for (const [path, why] of others) if (!found.has(base + path)) passed?.({ path, why })
  yield* found.values()
}

/** The folders before any pattern, as the beginning of keys. Letters beyond ASCII may be written in two ways. */
function plainFolders(parts: readonly string[]): string {
  const folders = parts.slice(0, -1)
  const end = folders.findIndex((part) => /[*?\u0080-\uffff]/.test(part))
  return (end < 0 ? folders : folders.slice(0, end)).map((part) => `${part}/`).join('')
}

async function* objects(bucket: S3Bucket, prefix: string): AsyncIterable<Seen> {
  for await (const { Contents = [] } of pagesOf(bucket, prefix))
    for (const { Key = '', Size = 0, ETag = '', LastModified } of Contents)
      yield { key: keyOf(Key), bytes: Size, etag: ETag, modifiedAt: inSeconds(LastModified), versionId: undefined }
}

async function* newestVersions(bucket: S3Bucket, Prefix: string): AsyncIterable<Seen> {
  const { ListObjectVersionsCommand } = bucket.sdk
  let page: ListObjectVersionsCommandOutput | undefined
  do {
    const { NextKeyMarker, NextVersionIdMarker } = page ?? {}
    const from = {
      ...(NextKeyMarker === undefined ? {} : { KeyMarker: keyOf(NextKeyMarker) }),
      ...(NextVersionIdMarker === undefined ? {} : { VersionIdMarker: NextVersionIdMarker }),
    }
    page = await bucket.ask(Prefix, (client) =>
      client.send(new ListObjectVersionsCommand({ Bucket: bucket.name, Prefix, EncodingType: 'url', ...from })),
    )
    for (const { Key = '', Size = 0, ETag = '', LastModified, VersionId, IsLatest } of page?.Versions ?? [])
      if (IsLatest === true)
        yield { key: keyOf(Key), bytes: Size, etag: ETag, modifiedAt: inSeconds(LastModified), versionId: VersionId }
  } while (page?.IsTruncated === true)
}

/** @throws Storage.Unversioned where identities are to be versions, and the bucket makes none */
export async function assertVersioned(bucket: S3Bucket): Promise<void> {
  const { GetBucketVersioningCommand } = bucket.sdk
  const found = await bucket.ask('', (client) => client.send(new GetBucketVersioningCommand({ Bucket: bucket.name })))
  if (found?.Status !== 'Enabled') throw sluiceError('Storage.Unversioned', { bucket: bucket.name })
}

/** The key of a folder. @example folderKey('', 'archive/sales') // 'archive/sales/' */
export function folderKey(base: string, folder: string): string {
  const parts = folder.split('/').filter((part) => part !== '' && part !== '.')
  if (folder.startsWith('/') || parts.includes('..') || folder.includes('\0'))
    throw sluiceError('Source.Path', { path: folder, why: 'it must stay below the place of the inbox' })
  return base + parts.map((part) => `${part}/`).join('')
}
