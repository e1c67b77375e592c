namespace MM1.Native.Kernels.Tests.References;

/// <summary>
/// Random numbers in plain float64: Philox4x32-10 written from the paper's listing, the normal quantile by algorithm AS 241 (Wichura 1988,
/// PPND16, about 1 part in 10^16), and the normal distribution function by Marsaglia's series.
/// </summary>
internal static class RandomReference
{
    public static uint[] Philox(uint[] counter, uint[] key)
    {
        uint[] c = [.. counter], k = [.. key];
        for (int round = 0; round < 10; round++)
        {
            if (round > 0) (k[0], k[1]) = (k[0] + 0x9E3779B9, k[1] + 0xBB67AE85);
            ulong product0 = 0xD2511F53ul * c[0], product1 = 0xCD9E8D57ul * c[2];
            c = [(uint)(product1 >> 32) ^ c[1] ^ k[0], (uint)product1, (uint)(product0 >> 32) ^ c[3] ^ k[1], (uint)product0];
        }
        return c;
    }

    /// <summary>Element <paramref name="index"/> of a stream.</summary>
    public static uint Word(ulong seed, ulong purpose, ulong index)
    {
        ulong block = index / 4;
        return Philox([(uint)block, (uint)(block >> 32), (uint)purpose, (uint)(purpose >> 32)], [(uint)seed, (uint)(seed >> 32)])[index % 4];
    }

    public static double Uniform(uint word) => (word >> 8) / 16777216.0;

    /// <summary>The word as a signed number k stands for the probability 1/2 + (k + 1/2) / 2^32.</summary>
    public static double Normal(uint word) => NormalQuantile(((int)word + 0.5) / 4294967296.0);

    /// <summary>Quantile of 1/2 + <paramref name="q"/>.</summary>
    public static double NormalQuantile(double q)
    {
        if (Math.Abs(q) <= 0.425)
        {
            double s = 0.180625 - q * q;
            return q * Horner(s, 2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
                    1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080)
                / Horner(s, 5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
                    5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1);
        }
        double r = Math.Sqrt(-Math.Log(0.5 - Math.Abs(q)));
        double z = r <= 5
            ? Horner(r - 1.6, 7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258,
                    3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734)
                / Horner(r - 1.6, 1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
                    6.89767334985100004550e-1, 1.67638483018380384940, 2.05319162663775882187, 1)
            : Horner(r - 5, 2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
                    2.96560571828504891230e-1, 1.78482653991729133580, 5.46378491116411436990, 6.65790464350110377720)
                / Horner(r - 5, 2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
                    1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1);
        return Math.CopySign(z, q);
    }

    /// <summary>P(Z at most x): 1/2 + phi(x) (x + x^3/3 + x^5/(3*5) + ...), Marsaglia 2004.</summary>
    public static double NormalDistribution(double x)
    {
        double term = x, sum = x;
        for (int i = 3; Math.Abs(term) > 1e-18 * Math.Abs(sum) && i < 500; i += 2) sum += term *= x * x / i;
        return 0.5 + sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
    }

    private static double Horner(double x, params ReadOnlySpan<double> coefficients)
    {
        double sum = 0;
        foreach (double coefficient in coefficients) sum = sum * x + coefficient;
        return sum;
    }
}
