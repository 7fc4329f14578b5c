/**
 * The storage contract: what the lake, the ledger and leases need of a disk or an object store, and nothing more.
 *
 * Paths are relative, with `/`, never starting or ending with it. All writes are durable when their promise resolves: they survive
 * a power loss. `create` is the only operation that decides between two writers.
 */

/** What is known of a stored object. */
export interface StoredObject {
  readonly path: string
  readonly bytes: number
  /** What the store says it is; other bytes have another identity. Of a file on disk size, times and inode; of an object its tag. */
  readonly identity: string
  readonly modifiedAt: Date
}

/** An object on this machine, until it is disposed of. */
export interface LocalObject extends AsyncDisposable {
  /** Absolute; the object itself where it is on this machine, so never to be written. */
  readonly file: string
}

/** One implementation a folder: `disk/`, later `s3/`. */
export interface Storage {
  /** The whole object; undefined where there is none. */
  read(path: string): Promise<Uint8Array | undefined>
  /** Writes under a name that only this writer uses, or replaces whole: readers see the old or the new bytes. */
  write(path: string, bytes: string | Uint8Array): Promise<void>
  /** Creates only where nothing is: exactly one of many racers gets true. After false, the object that is there is durable too. */
  create(path: string, bytes: string | Uint8Array): Promise<boolean>
  /** Takes over a local file that an engine wrote: it is durable under `path` afterwards, and gone from where it was. */
  adopt(localFile: string, path: string): Promise<StoredObject>
  /** A local file with the object's bytes, where an engine can read them; where there is no object, this or the reading fails. */
  materialise(path: string): Promise<LocalObject>
  stat(path: string): Promise<StoredObject | undefined>
  /** Objects directly or deeper below `prefix`, sorted by path. Never how a reader finds a table's data. */
  list(prefix: string): Promise<readonly StoredObject[]>
  /** Names of the folders directly below `prefix`, sorted; storage's own folders are not among them. */
  folders(prefix: string): Promise<readonly string[]>
  /** No error where there is none. Folders left empty go too. */
  remove(path: string): Promise<void>
  /**
   * What dead writers left half done: temporary objects whose process has ended, or is not of this machine and wrote last before `before`. Removes them unless `dryRun`.
   */
  removeLeftovers(options: { readonly before: Date; readonly dryRun?: boolean }): Promise<readonly StoredObject[]>
}
