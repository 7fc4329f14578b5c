/** Where a project's things are: its lake, its state, what is delivered, and what is only of this machine. */
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { assert } from '../base/errors.ts'
import { isOnS3, s3Address } from '../definition/schema/s3-address.ts'
import { stateBelow } from '../definition/state.ts'
import type { ProjectConfig } from '../definition/types.ts'
import type { FileOperations } from '../storage/disk/file-operations.ts'
import { diskStorage } from '../storage/disk/storage.ts'
import type { S3Bucket } from '../storage/s3/client.ts'
import type { Spool } from '../storage/s3/spool.ts'
import type { Storage } from '../storage/storage.ts'
import { openWorkspace, type WorkFolder, type Workspace } from './workspace.ts'

/** The places of a project, opened. */
export interface Places extends AsyncDisposable {
  /** Where tables are. */
  readonly storage: Storage
  /** Where the lake is to other readers. */
  readonly address: string
  /** Runs and leases: beside the lake, so that whoever writes to one lake has one of them. */
  readonly state: Storage
  /** As people are told where it is. */
  readonly stateName: string
  /** What this machine keeps to be faster; it may be deleted at any time. */
  readonly cache: Storage
  /** On the lake's device, where that is local. */
  readonly workspace: Workspace
  /** Buckets that the definition names, each opened once. */
  readonly buckets: Buckets
}

/** Opens buckets, and brings objects of them here. */
export interface Buckets {
  open(name: string): Promise<S3Bucket>
  spool(): Promise<Spool>
}

/** The state's folder below a lake in a bucket: no layer begins with an underscore. */
const stateInBucket = '_sluice'

/**
 * The folder that the lake's files are read from on this machine: the lake's own, or where they are brought to.
 *
 * @example localLake('/home/me/shop', config) // '/home/me/shop/lake'
 */
export function localLake(root: string, config: ProjectConfig): string {
  return isOnS3(config.lake.path) ? join(root, stateBelow(config), 'spool') : resolve(root, config.lake.path)
}

/**
 * Opens the places of a project; the SDK of S3 is loaded only where a path begins with `s3://`.
 *
 * @example await using places = await openPlaces('/home/me/shop', config)
 */
export async function openPlaces(root: string, config: ProjectConfig, operations?: FileOperations): Promise<Places> {
  const below = stateBelow(config)
  const own = join(root, below)
  await mkdir(own, { recursive: true, mode: 0o700 })
  const cache = diskStorage(own, operations)
  const address = s3Address(config.lake.path)
  const spooled = openWorkspace(localLake(root, config))
  const buckets = openBuckets(config, spooled)
  if (address === undefined) {
    const folder = resolve(root, config.lake.path)
    const storage = diskStorage(folder, operations)
    const places = { storage, address: `file://${folder}`, state: cache, stateName: below, cache }
    return { ...places, workspace: openWorkspace(folder), buckets, [Symbol.asyncDispose]: buckets.close }
  }
  const { s3Storage } = await import('../storage/s3/storage.ts')
  const [bucket, spool] = await Promise.all([buckets.open(address.bucket), buckets.spool()])
  const inBucket = [address.prefix, stateInBucket].filter((part) => part !== '').join('/')
  const work = openWorkspace(own)
  return {
    storage: s3Storage(bucket, { prefix: address.prefix, spool }),
    address: ['s3:/', address.bucket, ...(address.prefix === '' ? [] : [address.prefix])].join('/'),
    state: s3Storage(bucket, { prefix: inBucket, spool }),
    stateName: `s3://${address.bucket}/${inBucket}`,
    cache,
    workspace: {
      folder: work.folder,
      removeLeftovers: async (options) => [
        ...(await work.removeLeftovers(options)),
        ...(await spooled.removeLeftovers(options)),
      ],
    },
    buckets,
    [Symbol.asyncDispose]: buckets.close,
  }
}

interface OpenBuckets extends Buckets {
  readonly close: () => Promise<void>
}

function openBuckets({ s3 = {} }: ProjectConfig, spooled: Workspace): OpenBuckets {
  const opened = new Map<string, Promise<S3Bucket>>()
  let spool: Promise<Spool> | undefined
  let folder: Promise<WorkFolder> | undefined
  const isOpen = (): boolean => opened.size > 0
  return {
    open(name) {
      const bucket = opened.get(name) ?? loadBucket(name, s3)
      opened.set(name, bucket)
      return bucket
    },
    spool() {
      assert(isOpen(), 'what is brought here is of a bucket')
      spool ??= loadSpool(async () => {
        folder ??= spooled.folder('spool')
        return (await folder).folder
      })
      return spool
    },
    async close() {
      for (const bucket of opened.values()) (await bucket).close()
      await (await folder)?.[Symbol.asyncDispose]()
    },
  }
}

// Pauses before another try are of this machine's time, whatever the clock of the project says.
const loadBucket = async (name: string, s3: NonNullable<ProjectConfig['s3']>): Promise<S3Bucket> =>
  (await import('../storage/s3/client.ts')).openBucket(name, s3, systemClock)
const loadSpool = async (folder: () => Promise<string>): Promise<Spool> =>
  (await import('../storage/s3/spool.ts')).openSpool(folder)
