/** Paths that are on S3: `s3://bucket/prefix`. */

/** A place in a bucket. */
export interface S3Address {
  readonly bucket: string
  /** Without a leading or trailing slash; '' is the whole bucket. */
  readonly prefix: string
}

/**
 * Whether a path is on S3, and not on this machine.
 *
 * @example isOnS3('s3://bucket/lake') // true
 */
export function isOnS3(path: string): boolean {
  return path.startsWith('s3://')
}

/**
 * Where a path on S3 leads; undefined where it is not one.
 *
 * @example s3Address('s3://bucket/shop/lake/') // { bucket: 'bucket', prefix: 'shop/lake' }
 */
export function s3Address(path: string): S3Address | undefined {
  // A bucket's name, as S3 has it since 2018; what is before the first slash is never part of a key.
  const [, bucket, rest = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/s.exec(path) ?? []
  if (bucket === undefined) return undefined
  const prefix = rest.replace(/\/+$/, '')
  const isPlain = prefix === '' || prefix.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  return isPlain ? { bucket, prefix } : undefined
}
