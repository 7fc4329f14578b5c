/**
 * The inbox contract: what others deliver, how it is looked at, read, and put away once a version holds it.
 *
 * Paths are relative to the inbox's root, with `/`. Nobody but the sender writes a delivery; here it is read, moved as a whole, or left.
 */

/** One delivered file, as the store knows it without reading it. */
export interface Delivery {
  readonly path: string
  readonly bytes: number
  /** What the store says it is; another content has another identity. Of a file on disk size, times and inode; of an object its version. */
  readonly identity: string
  /** When the sender last wrote to it. */
  readonly modifiedAt: Date
}

/** What a pattern matches, or nearly does, and what is no delivery all the same. */
export interface PassedOver {
  readonly path: string
  readonly why: 'hidden' | 'link' | 'folder' | 'special' | 'name' | 'case'
}

/** A delivery on this machine, until it is disposed of. */
export interface OpenDelivery extends AsyncDisposable {
  /** Absolute; the delivery itself where it is on this machine, so never to be written. */
  readonly file: string
}

/** A delivery that is to be elsewhere. */
export interface Move {
  readonly delivery: Pick<Delivery, 'path' | 'identity'>
  /** Of its content: a file of another content under the same name is never overwritten, the same one is there already. */
  readonly sha256: string
  readonly to: 'archive' | 'error'
  /** Relative to the root. */
  readonly folder: string
  /** Texts that stand under its new name, with these endings, before it leaves its old one. */
  readonly reports?: readonly { readonly ending: string; readonly text: string }[]
}

/** One implementation a folder: `disk/`, later `s3/`. */
export interface Inbox {
  /**
   * The complete files that match, each once, in no order. Links are never followed; what is being sent (`.part`, `.tmp`, a leading dot) is left,
   * and so is what is hidden (a leading dot or underscore) unless the pattern names it.
   *
   * @param passed is called with what else is there and might be meant
   * @throws Source.Path where the pattern would leave the root
   */
  list(pattern: string, passed?: (thing: PassedOver) => void): AsyncIterable<Delivery>
  /** A file as it is now, or undefined where it has gone or is no plain file. */
  stat(path: string): Promise<Delivery | undefined>
  /** Makes a delivery readable here; undefined where it is no longer the one that was looked at. */
  open(delivery: Pick<Delivery, 'path' | 'identity'>): Promise<OpenDelivery | undefined>
  /**
   * Moves deliveries, after the commit that holds them or the refusal. All get their new names with their reports, durably, then all leave their old
   * ones: a crash in between leaves files with both names. One that is no longer what was looked at stays. Can be repeated.
   *
   * @throws Source.Path for a folder outside the root
   */
  settle(moves: readonly Move[]): Promise<void>
  /**
   * Delivers: the file is there whole and durable, or not at all; one of that name is replaced.
   *
   * @throws Source.Path for a path outside the root
   */
  put(path: string, bytes: Uint8Array): Promise<void>
}
