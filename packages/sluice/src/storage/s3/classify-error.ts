/** Turns errors of S3 and of the way to it into the registry's. */
import type { S3ServiceException } from '@aws-sdk/client-s3'
import { isSluiceError, sluiceError } from '../../base/errors.ts'

/**
 * What a failure means for the request. `unclear`: nobody knows whether it was done. `missing`: the object or the upload is not there. `precondition`
 * and `conflict`: another writer was first, or is at it. `local`: this machine's disk.
 */
export type Failure =
  | 'unclear'
  | 'throttled'
  | 'missing'
  | 'precondition'
  | 'conflict'
  | 'skew'
  | 'expired'
  | 'credentials'
  | 'denied'
  | 'bucket'
  | 'region'
  | 'local'
  | 'refused'

/** By what S3 calls it; what is not here is judged by its status. */
const codes: { readonly [code: string]: Failure } = {
  NoSuchKey: 'missing',
  NotFound: 'missing',
  NoSuchVersion: 'missing',
  NoSuchUpload: 'missing',
  PreconditionFailed: 'precondition',
  ConditionalRequestConflict: 'conflict',
  OperationAborted: 'conflict',
  SlowDown: 'throttled',
  ThrottlingException: 'throttled',
  Throttling: 'throttled',
  RequestLimitExceeded: 'throttled',
  TooManyRequests: 'throttled',
  TooManyRequestsException: 'throttled',
  RequestTimeout: 'unclear',
  // The body arrived in part, or changed on the way.
  IncompleteBody: 'unclear',
  BadDigest: 'unclear',
  RequestTimeTooSkewed: 'skew',
  RequestExpired: 'skew',
  ExpiredToken: 'expired',
  ExpiredTokenException: 'expired',
  TokenRefreshRequired: 'expired',
  CredentialsProviderError: 'credentials',
  TokenProviderError: 'credentials',
  InvalidAccessKeyId: 'denied',
  SignatureDoesNotMatch: 'denied',
  InvalidToken: 'denied',
  AccessDenied: 'denied',
  AllAccessDisabled: 'denied',
  NoSuchBucket: 'bucket',
  InvalidBucketName: 'bucket',
  PermanentRedirect: 'region',
  AuthorizationHeaderMalformed: 'region',
  IllegalLocationConstraintException: 'region',
}

/**
 * What a failure means.
 *
 * @example failureOf(error) === 'precondition' // another writer was first
 */
export function failureOf(error: unknown): Failure {
  const { name = '', message = '', $metadata } = error as Partial<S3ServiceException>
  const status = $metadata?.httpStatusCode
  const known = Object.hasOwn(codes, name) ? codes[name] : undefined
  if (known === 'credentials') return /expired|expiration/i.test(message) ? 'expired' : known
  if (known !== undefined) return known
  if (/credential/i.test(message) && status === undefined) return 'credentials'
  if (/region is missing/i.test(message)) return 'region'
  if (isOfDisk(error)) return 'local'
  if (status === undefined) return isSluiceError(error) ? 'refused' : 'unclear'
  if (status === 404) return 'missing'
  if (status === 412) return 'precondition'
  if (status === 409) return 'conflict'
  if (status === 429 || status === 503) return 'throttled'
  if (status === 301) return 'region'
  if (status === 403) return 'denied'
  // An answer that began well and broke off, too.
  return status >= 500 || status < 300 ? 'unclear' : 'refused'
}

/**
 * Classifies an error of a request.
 *
 * @example throw classifyError(error, { name: 'shop' }, 'lake/raw/sales/_versions/000000000001.json')
 */
export function classifyError(error: unknown, { name: bucket }: { readonly name: string }, key: string): Error {
  if (isSluiceError(error)) return error
  const path = `s3://${bucket}/${key}`
  const detail = detailOf(error)
  const cause = { cause: error }
  const failure = failureOf(error)
  if (failure === 'expired') return sluiceError('Storage.CredentialsExpired', { path, detail }, cause)
  if (failure === 'credentials') return sluiceError('Storage.CredentialsMissing', { path, detail }, cause)
  if (failure === 'denied') return sluiceError('Storage.BucketDenied', { path, detail }, cause)
  if (failure === 'bucket') return sluiceError('Storage.NoBucket', { bucket, detail }, cause)
  if (failure === 'skew') return sluiceError('Storage.ClockSkew', { path, detail }, cause)
  if (failure === 'throttled') return sluiceError('Storage.Throttled', { path, detail }, cause)
  if (failure === 'region') {
    const { Region = '' } = error as { readonly Region?: string }
    return sluiceError('Storage.WrongRegion', { bucket, region: Region, detail }, cause)
  }
  if (failure === 'precondition' || failure === 'conflict')
    return sluiceError('Storage.ForeignWriter', { path, why: `each try met another writer (${detail})` }, cause)
  if (failure === 'local') {
    const { code, path: file = path } = error as NodeJS.ErrnoException
    const isFull = code === 'ENOSPC' || code === 'EDQUOT'
    return sluiceError(isFull ? 'Storage.Full' : 'Storage.Failed', { path: file, detail }, cause)
  }
  return failure === 'unclear'
    ? sluiceError('Storage.Unreachable', { path, detail }, cause)
    : sluiceError('Storage.Failed', { path, detail }, cause)
}

/** Of the file that an object comes to, or comes from; sockets have other codes. */
function isOfDisk(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException
  return ['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'ENOENT', 'EIO', 'EMFILE'].includes(code)
}

function detailOf(error: unknown): string {
  const { name, message = '', $metadata } = error as Partial<S3ServiceException>
  const status = $metadata?.httpStatusCode
  return [name, status, message === name ? '' : message].filter((part) => part !== undefined && part !== '').join(', ')
}
