/** Turns whatever was thrown into an error of the registry: the system's refusals have their own, the rest is a bug and says so. */
import { isSluiceError, type SluiceError, sluiceError } from '../base/errors.ts'

/** Why the system refused, by its code (errno(3)). */
const refusals: { readonly [code: string]: string } = {
  EACCES: 'permission denied',
  EPERM: 'the operation is not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the disk quota is used up',
  EMFILE: 'this process has too many files open',
  ENFILE: 'the system has too many files open',
  EEXIST: 'it is there already',
  ENOENT: 'it does not exist',
  ENOTDIR: 'part of the path is not a folder',
  EISDIR: 'it is a folder',
  EIO: 'the disk reports an error',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
}

/**
 * The registry's error for anything thrown.
 *
 * @example foreseen(new TypeError('x is undefined')).exit // 70
 */
export function foreseen(thrown: unknown): SluiceError {
  if (isSluiceError(thrown)) return thrown
  // What went wrong first; that something could not be closed after it follows from it, as on a full disk.
  if (thrown instanceof Error && 'suppressed' in thrown && thrown.suppressed instanceof Error)
    return foreseen(thrown.suppressed)
  const { code, syscall, path } = (thrown ?? {}) as NodeJS.ErrnoException
  const why = code === undefined ? undefined : refusals[code]
  if (why !== undefined && syscall !== undefined) {
    return sluiceError(
      'Cli.System',
      { operation: syscall, path: path ?? '', why: `${why} (${code})` },
      { cause: thrown },
    )
  }
  const detail = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)
  return sluiceError('Unexpected', { detail }, { cause: thrown })
}
