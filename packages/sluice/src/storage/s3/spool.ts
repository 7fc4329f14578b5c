/** Objects on this machine: brought here once while somebody reads them, a few at a time, in one version, and checked against their digest. */
import { createHash } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import { type Turn, turns } from '../../base/queue.ts'
import type { LocalObject } from '../storage.ts'
import { classifyError, failureOf } from './classify-error.ts'
import { type S3Bucket, tries } from './client.ts'
import { metadataNames } from './place.ts'

/** An object in one version of it. */
export interface Pinned {
  readonly key: string
  readonly etag?: string | undefined
  readonly versionId?: string | undefined
}

/** Brings objects to this machine. */
export interface Spool {
  /** A local file with the object's bytes; undefined where that version of it is not there, or no longer. */
  bring(bucket: S3Bucket, object: Pinned): Promise<LocalObject | undefined>
}

interface Brought {
  readonly file: Promise<string | undefined>
  readers: number
}

const atATime = 8

/**
 * A spool in a folder of this process.
 *
 * @example const spool = openSpool(async () => (await workspace.folder('spool')).folder)
 * @param folder makes the folder, when the first object is brought
 */
export function openSpool(folder: () => Promise<string>): Spool {
  const brought = new Map<string, Brought>()
  const lanes: readonly Turn[] = Array.from({ length: atATime }, turns)
  let number = 0
  let made: Promise<string> | undefined
  return {
    async bring(bucket, object) {
      const name = digest([bucket.name, object.key, object.etag, object.versionId])
      let one = brought.get(name)
      if (one === undefined) {
        const mine = number++
        const lane = lanes[mine % atATime]!
        made ??= folder()
        const at = made
        one = {
          file: lane(async () => download(bucket, object, join(await at, `${name.slice(0, 40)}-${mine}`))),
          readers: 0,
        }
        brought.set(name, one)
      }
      const shared = one
      shared.readers++
      const release = async (): Promise<void> => {
        if (--shared.readers > 0) return
        if (brought.get(name) === shared) brought.delete(name)
        const file = await shared.file.catch(() => undefined)
        if (file !== undefined) await rm(file, { force: true })
      }
      const file = await shared.file.catch(async (error: unknown) => {
        await release()
        throw error
      })
      if (file === undefined) {
        await release()
        return undefined
      }
      let isReleased = false
      return {
        file,
        async [Symbol.asyncDispose]() {
          if (isReleased) return
          isReleased = true
          await release()
        },
      }
    },
  }
}

/** Goes on where an answer broke off, in the same version. */
async function download(bucket: S3Bucket, { key, etag, versionId }: Pinned, file: string): Promise<string | undefined> {
  const { GetObjectCommand } = bucket.sdk
  const target = await open(file, 'wx', 0o600)
  const hash = createHash('sha256')
  let [got, length, pinned, said] = [0, Number.POSITIVE_INFINITY, etag, undefined as string | undefined]
  try {
    for (let attempt = 1; got < length; attempt++) {
      const before = got
      try {
        const answer = await bucket.once((client) =>
          client.send(
            new GetObjectCommand({
              Bucket: bucket.name,
              Key: key,
              ...(versionId === undefined ? {} : { VersionId: versionId }),
              ...(pinned === undefined ? {} : { IfMatch: pinned }),
              ...(got === 0 ? {} : { Range: `bytes=${got}-` }),
            }),
          ),
        )
        pinned = answer.ETag
        length = got + (answer.ContentLength ?? 0)
        said = answer.Metadata?.[metadataNames.sha256]
        for await (const chunk of answer.Body as Readable) {
          await target.writeFile(chunk as Buffer)
          hash.update(chunk as Buffer)
          got += (chunk as Buffer).length
        }
      } catch (error) {
        const failure = failureOf(error)
        if (failure === 'missing') return await gone(file)
        if (failure === 'precondition' && got === 0) return await gone(file)
        if (failure === 'precondition')
          throw sluiceError('Storage.ForeignWriter', { path: pathOf(bucket, key), why: 'it changed while it was read' })
        // What brings more of it each time comes to an end.
        if (got > before) attempt = 1
        if (!['unclear', 'throttled', 'skew', 'conflict'].includes(failure) || attempt >= tries)
          throw classifyError(error, bucket, key)
        await bucket.pause(attempt)
      }
    }
    const found = hash.digest('hex')
    if (said !== undefined && said !== found)
      throw sluiceError('Storage.ForeignWriter', {
        path: pathOf(bucket, key),
        why: `it was written with sha256 ${said.slice(0, 12)}…, and its bytes have ${found.slice(0, 12)}…`,
      })
    return file
  } catch (error) {
    await gone(file)
    throw error
  } finally {
    await target.close()
  }
}

async function gone(file: string): Promise<undefined> {
  await rm(file, { force: true })
}

const pathOf = (bucket: S3Bucket, key: string): string => `s3://${bucket.name}/${key}`
