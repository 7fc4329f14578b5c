/**
 * What a loader asked the disk, and what it was told: whoever asks the same again, and is told the same, would load the same.
 */
import { type Dirent, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { sha256 } from '../../base/json.ts'

/** Digests by path, relative to the root. A file or folder that is not there has a digest, too: that of nothing. */
export interface Looks {
  readonly files: { readonly [path: string]: string }
  readonly folders: { readonly [path: string]: string }
}

/** @example textDigest(undefined) // '': there is no such file */
export function textDigest(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : sha256(bytes)
}

/** The digest of the names in a folder, and of what each of them is. */
export function folderDigest(entries: readonly Dirent[]): string {
  const kind = (entry: Dirent): string => (entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : 'other')
  return sha256(
    entries
      .map((entry) => `${kind(entry)} ${entry.name}\n`)
      .sort()
      .join(''),
  )
}

/**
 * Whether everything still is as it was. A file that is reached through a link never is: what it imports would be looked for elsewhere.
 *
 * @example sameLooks('/home/me/shop', looks)
 */
export function sameLooks(root: string, looks: Looks): boolean {
  const real = realpathSync.native(root)
  return (
    Object.entries(looks.folders).every(([path, digest]) => folderDigest(list(join(real, path))) === digest) &&
    Object.entries(looks.files).every(([path, digest]) => ownDigest(real, path) === digest)
  )
}

/** The digest of a file that really lies there; undefined where a link leads to it. */
function ownDigest(root: string, path: string): string | undefined {
  const file = join(root, path)
  const real = unlessMissing(() => realpathSync.native(file))
  if (real === undefined) return textDigest(undefined)
  return real === file ? textDigest(readFileSync(file)) : undefined
}

function list(folder: string): readonly Dirent[] {
  return unlessMissing(() => readdirSync(folder, { withFileTypes: true })) ?? []
}

function unlessMissing<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
