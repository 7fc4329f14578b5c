/** Turns errors of the operating system into the registry's. */
import { isSluiceError, sluiceError } from '../../base/errors.ts'

/** errno → the registry; what is not here is `Storage.Failed`. */
const names: { readonly [code: string]: 'Storage.Full' | 'Storage.Denied' | 'Storage.UnsafePath' } = {
  ENOSPC: 'Storage.Full',
  EDQUOT: 'Storage.Full',
  EACCES: 'Storage.Denied',
  EPERM: 'Storage.Denied',
  EROFS: 'Storage.Denied',
  // What O_NOFOLLOW answers for a symbolic link.
  ELOOP: 'Storage.UnsafePath',
  ENAMETOOLONG: 'Storage.UnsafePath',
}

/**
 * Classifies an error of a file operation.
 *
 * @example throw classifyError(error, 'raw/sales/_versions/000000000001.json')
 */
export function classifyError(error: unknown, path: string): Error {
  if (isSluiceError(error)) return error
  const detail = error instanceof Error ? error.message : String(error)
  const name = names[errorCode(error) ?? '']
  if (name === 'Storage.UnsafePath') return sluiceError(name, { path, why: detail }, { cause: error })
  return sluiceError(name ?? 'Storage.Failed', { path, detail }, { cause: error })
}

/** `ENOENT`, `EEXIST` …; undefined for anything but an error of the operating system. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
