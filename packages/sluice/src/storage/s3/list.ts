/** What is below a prefix. Keys that no path can have are not shown: other programs mark folders by them. */
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import { sluiceError } from '../../base/errors.ts'
import { pathParts } from '../path.ts'
import type { StoredObject } from '../storage.ts'
import type { S3Bucket } from './client.ts'
import { headOf, inSeconds } from './place.ts'

/** A listing names keys as a form's values: some characters cannot be in XML. @example keyOf('a+b%2B') // 'a b+' */
export function keyOf(listed: string): string {
  return decodeURIComponent(listed.replaceAll('+', ' '))
}

/** All pages of a listing below a prefix, by their keys. @example for await (const page of pagesOf(bucket, 'lake/')) … */
export async function* pagesOf(
  bucket: S3Bucket,
  prefix: string,
  delimiter?: '/',
): AsyncIterable<Pick<ListObjectsV2CommandOutput, 'Contents' | 'CommonPrefixes'>> {
  const { ListObjectsV2Command } = bucket.sdk
  let ContinuationToken: string | undefined
  do {
    const page: ListObjectsV2CommandOutput | undefined = await bucket.ask(prefix, (client) =>
      client.send(
        new ListObjectsV2Command({
          Bucket: bucket.name,
          Prefix: prefix,
          EncodingType: 'url',
          ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
          ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
        }),
      ),
    )
    if (page === undefined) return
    yield page
    ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined
  } while (ContinuationToken !== undefined)
}

/**
 * The objects below a prefix, each once, sorted by path.
 *
 * @example await listObjects(bucket, 'lake/', '')
 * @param base what paths are relative to
 */
export async function listObjects(bucket: S3Bucket, base: string, below: string): Promise<readonly StoredObject[]> {
  const found = new Map<string, StoredObject>()
  for await (const { Contents = [] } of pagesOf(bucket, base + below))
    for (const { Key = '', Size = 0, ETag = '', LastModified } of Contents) {
      const path = keyOf(Key).slice(base.length)
      if (isPath(path)) found.set(path, { path, bytes: Size, identity: ETag, modifiedAt: inSeconds(LastModified) })
    }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** The names directly below a prefix that have something below them, sorted. @example await listFolders(bucket, 'lake/') */
export async function listFolders(bucket: S3Bucket, prefix: string): Promise<readonly string[]> {
  const found = new Set<string>()
  for await (const { CommonPrefixes = [] } of pagesOf(bucket, prefix, '/'))
    for (const { Prefix = '' } of CommonPrefixes) {
      const name = keyOf(Prefix).slice(prefix.length, -1)
      if (isPath(name)) found.add(name)
    }
  return [...found].sort()
}

function isPath(path: string): boolean {
  try {
    return pathParts(path).length > 0
  } catch {
    return false
  }
}

/** How long an object of ours may be missing in listings before that is said. */
const looks = 4

/**
 * A listing that has all that this process wrote below the prefix and that is there: a store that lists with a delay is waited for.
 *
 * @throws Storage.ListingIncomplete where it stays behind
 */
export async function completeListing(
  bucket: S3Bucket,
  list: () => Promise<readonly StoredObject[]>,
  { base, below, written }: { readonly base: string; readonly below: string; readonly written: Map<string, string> },
): Promise<readonly StoredObject[]> {
  const own = [...written.keys()].filter((path) => path.startsWith(below))
  for (let look = 1; ; look++) {
    const found = await list()
    if (own.length === 0) return found
    const listed = new Set(found.map(({ path }) => path))
    const missing: string[] = []
    for (const path of own) {
      if (listed.has(path) || !written.has(path)) continue
      if ((await headOf(bucket, base + path)) === undefined) written.delete(path)
      else missing.push(path)
    }
    if (missing.length === 0) return found
    if (look === looks)
      throw sluiceError('Storage.ListingIncomplete', {
        prefix: `s3://${bucket.name}/${base}${below}`,
        missing: missing[0]!,
      })
    await bucket.pause(look)
  }
}
