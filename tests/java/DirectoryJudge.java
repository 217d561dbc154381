import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Security;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.LDAPCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.PKIXCertPathBuilderResult;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.Date;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * The JDK's CertPathBuilder over a directory: it has a target and an anchor, and finds all else over LDAP itself, issuers
 * in crossCertificatePair and lists under the directory names of distribution points.
 *
 * <p>Each line of input is a question: {@code FOLDER MOMENT POLICIES PORT}, where the folder holds the files
 * {@code target} and {@code anchor}, in DER. Each line of output is an answer: {@code valid SERIAL SERIAL...}, the
 * target's serial number first, or {@code refused REASON: words}.
 */
public final class DirectoryJudge {
    private static final CertificateFactory X509;

    static {
        try {
            X509 = CertificateFactory.getInstance("X.509");
        } catch (GeneralSecurityException impossible) {
            throw new ExceptionInInitializerError(impossible);
        }
    }

    private DirectoryJudge() {}

    public static void main(String[] arguments) throws Exception {
        Security.setProperty("com.sun.security.enableCRLDP", "true");
        System.setProperty("com.sun.security.enableCRLDP", "true");
        var input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            System.out.println(answer(line.split(" ")).replaceAll("\\s+", " "));
        }
    }

    private static String answer(String[] words) throws Exception {
        Path folder = Path.of(words[0]);
        var wanted = new X509CertSelector();
        X509Certificate target = certificate(folder.resolve("target"));
        wanted.setCertificate(target);
        var anchor = new TrustAnchor(certificate(folder.resolve("anchor")), null);
        var parameters = new PKIXBuilderParameters(Set.of(anchor), wanted);
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(List.of(target))));
        parameters.addCertStore(
                CertStore.getInstance("LDAP", new LDAPCertStoreParameters("127.0.0.1", Integer.parseInt(words[3]))));
        parameters.setDate(Date.from(Instant.parse(words[1])));
        parameters.setPolicyQualifiersRejected(false);
        parameters.setExplicitPolicyRequired(true);
        parameters.setInitialPolicies(Set.of(words[2].split(",")));
        var builder = CertPathBuilder.getInstance("PKIX");
        var checker = (PKIXRevocationChecker) builder.getRevocationChecker();
        checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
        parameters.addCertPathChecker(checker);
        try {
            var found = (PKIXCertPathBuilderResult) builder.build(parameters);
            var path = new StringBuilder("valid");
            for (var one : found.getCertPath().getCertificates()) {
                path.append(' ').append(((X509Certificate) one).getSerialNumber().toString(16));
            }
            return path.toString();
        } catch (CertPathBuilderException refused) {
            var why = refused.getCause() instanceof CertPathValidatorException cause ? cause.getReason().toString() : "NO_PATH";
            return "refused " + why + ": " + refused.getMessage();
        }
    }

    private static X509Certificate certificate(Path file) throws Exception {
        try (var stream = Files.newInputStream(file)) {
            return (X509Certificate) X509.generateCertificate(stream);
        }
    }
}
